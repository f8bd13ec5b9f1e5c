// The functions and classes of the Mesos 1.11.0 library that the launchers call.
//
// Declared so that the compiler arrives at the library's symbol names; the linker refuses a name that
// the library does not have. Classes are opaque blocks: no virtual function and no base is declared,
// unless the launchers derive from a class. Sizes in comments were seen where the library itself
// allocates such objects.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "values.h"

namespace flags {

struct Warning {
  std::string message;
};

struct Warnings {
  std::vector<Warning> warnings;
};

class FlagsBase {
 public:
  // Reads environment variables beginning with `prefix`, then the command line, which wins.
  Try<Warnings> load(const Option<std::string>& prefix, int argc, const char* const* argv, bool unknowns,
                     bool duplicates);
  std::string usage(const Option<std::string>& message) const;
  // Upper-case name -> value of every flag that has one, defaults included.
  std::map<std::string, std::string> buildEnvironment(const Option<std::string>& prefix) const;
};

template <typename T>
Try<T> parse(const std::string& value);

}  // namespace flags

// The position of FlagsBase among the virtual bases of the master's and the agent's flags: the logging
// flags come first.
const int kFlagsBaseAfterLogging = 1;

namespace process {

struct MessageEvent;
struct DispatchEvent;
struct HttpEvent;
struct ExitedEvent;
struct TerminateEvent;
struct Event;

// Returned by value from spawn(): the destructor makes that a hidden pointer to room enough.
struct UPID {
  ~UPID() {}
  Opaque<1024> content;
};

// Declared with its virtual functions in order, since PendingFutureTrackerProcess derives from it.
class ProcessBase {
 public:
  explicit ProcessBase(const std::string& id);
  virtual ~ProcessBase();
  virtual void consume(MessageEvent&& event);
  virtual void consume(DispatchEvent&& event);
  virtual void consume(HttpEvent&& event);
  virtual void consume(ExitedEvent&& event);
  virtual void consume(TerminateEvent&& event);
  virtual void serve(Event&& event);
  virtual void initialize() {}
  virtual void finalize() {}
  virtual void exited(const UPID&) {}
  virtual void lost(const UPID&) {}

 private:
  char content_[416];  // 424 with the pointer to the virtual table
};

bool initialize(const Option<std::string>& delegate, const Option<std::string>& readwriteRealm,
                const Option<std::string>& readonlyRealm);
UPID spawn(ProcessBase* process, bool manage);
bool wait(const UPID& process, const Duration& duration);

struct RateLimiter {
  RateLimiter(int permits, const Duration& duration);
  Opaque<64> content;  // 16
};

namespace network {
namespace internal {
template <typename Address>
struct Socket {
  Opaque<16> content;
};
}  // namespace internal
namespace unix {
struct Address;
}
}  // namespace network

namespace http {
namespace authorization {
// The real type is a hash map of callbacks. Only its address is passed on.
struct Callbacks {
  Callbacks() = default;
  ~Callbacks() {}
  Opaque<256> content;
};
// A label, because the name of the argument's type cannot be had without declaring half of libprocess.
void setCallbacks(const Callbacks& callbacks) asm(
    "_ZN7process4http13authorization12setCallbacksERK7hashmapINSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE"
    "St8functionIFNS_6FutureIbEENS0_7RequestE6OptionINS0_14authentication9PrincipalEEEESt4hashIS8_ESt8equal_toIS8_EE");
}  // namespace authorization
}  // namespace http

}  // namespace process

namespace zookeeper {
struct Authentication {
  std::string scheme;
  std::string credentials;
};
}  // namespace zookeeper

namespace mesos {

class Authorizer;
class SecretGenerator;

// Protobuf messages. The sizes of ACLs and Modules are exact: `Try` needs them.
struct ACLs {
  Opaque<1328> content;
};
struct Modules {
  Opaque<48> content;
};
static_assert(sizeof(ACLs) == 1328 && sizeof(Modules) == 48);
struct MasterInfo {
  MasterInfo(const MasterInfo& other);
  Opaque<128> content;  // 104
};

class Authorizer {
 public:
  static Try<Authorizer*> create(const std::string& name);
  static Try<Authorizer*> create(const ACLs& acls);
};

class SecretResolver {
 public:
  static Try<SecretResolver*> create(const Option<std::string>& name);
};

namespace authorization {
__attribute__((abi_tag("cxx11"))) process::http::authorization::Callbacks createAuthorizationCallbacks(Authorizer*);
}

namespace authentication {
namespace executor {
struct JWTSecretGenerator {
  explicit JWTSecretGenerator(const std::string& key);
  Opaque<128> content;  // 40
};
}  // namespace executor
}  // namespace authentication

namespace modules {
class Anonymous;
class ModuleManager {
 public:
  static Try<Nothing> loadManifest(const Modules& modules);
  static Try<Nothing> load(const std::string& directory);
};
}  // namespace modules

namespace log {
struct Log {
  Log(int quorum, const std::string& path, const std::set<process::UPID>& peers, bool autoInitialize,
      const Option<std::string>& metricsPrefix);
  Log(int quorum, const std::string& path, const std::string& servers, const Duration& timeout,
      const std::string& znode, const Option<zookeeper::Authentication>& authentication, bool autoInitialize,
      const Option<std::string>& metricsPrefix);
  Opaque<64> content;  // 8
};
}  // namespace log

namespace state {
struct LogStorage {
  LogStorage(log::Log* log, size_t diffsBetweenSnapshots);
  Opaque<64> content;  // 16
};
struct InMemoryStorage {
  InMemoryStorage();
  Opaque<64> content;  // 16
};
// Header-only in the library: a virtual table that nobody uses, and the storage.
struct State {
  const void* virtualTable;
  void* storage;
};
static_assert(sizeof(State) == 16);
}  // namespace state

namespace slave {
class ResourceEstimator {
 public:
  static Try<ResourceEstimator*> create(const Option<std::string>& type);
};
class QoSController {
 public:
  static Try<QoSController*> create(const Option<std::string>& type);
};
}  // namespace slave

namespace allocator {
class Allocator;
}

namespace master {
namespace contender {
// Derived from by the standalone contender, hence its virtual functions in order.
class MasterContender {
 public:
  static Try<MasterContender*> create(const Option<std::string>& zk, const Option<std::string>& module,
                                      const Option<Duration>& sessionTimeout);
  virtual ~MasterContender() {}
  virtual void initialize(const MasterInfo& info) = 0;
  virtual process::Future<process::Future<Nothing>> contend() = 0;
};
}  // namespace contender

namespace detector {
class MasterDetector {
 public:
  static Try<MasterDetector*> create(const Option<std::string>& master, const Option<std::string>& module,
                                     const Option<Duration>& sessionTimeout);
};
class StandaloneMasterDetector : public MasterDetector {
 public:
  void appoint(const Option<MasterInfo>& leader);
};
}  // namespace detector
}  // namespace master

namespace internal {

class PendingFutureTracker;

struct Files {
  Files(const Option<std::string>& realm, const Option<Authorizer*>& authorizer);
  Opaque<64> content;  // 8
};

struct VersionProcess {
  VersionProcess();
  Opaque<4096> content;
};

class HookManager {
 public:
  static Try<Nothing> initialize(const std::string& names);
};

namespace logging {
struct Flags {
  Flags();
  Opaque<8192> content;
};
void initialize(const std::string& argv0, bool installFailureSignalHandler, const Option<Flags>& flags);
}  // namespace logging

namespace master {
struct Flags {
  Flags();
  Opaque<16384> content;
};
struct Registrar {
  Registrar(const Flags& flags, state::State* state, const Option<std::string>& realm);
  Opaque<64> content;  // 16
};
namespace allocator {
class DRFSorter;
template <typename RoleSorter, typename FrameworkSorter>
class HierarchicalAllocatorProcess;
template <typename Process>
struct MesosAllocator {
  MesosAllocator();
  Opaque<64> content;  // 16
};
}  // namespace allocator
struct Master {
  Master(mesos::allocator::Allocator* allocator, Registrar* registrar, Files* files,
         mesos::master::contender::MasterContender* contender, mesos::master::detector::MasterDetector* detector,
         const Option<Authorizer*>& authorizer,
         const Option<std::shared_ptr<process::RateLimiter>>& agentRemovalLimiter, const Flags& flags);
  Opaque<16384> content;  // 6688
};
}  // namespace master

namespace slave {
struct Flags {
  Flags();
  Opaque<32768> content;
};
class CSIServer;
class Containerizer;
struct Fetcher {
  explicit Fetcher(const Flags& flags);
  Opaque<64> content;  // 24
};
struct GarbageCollector {
  explicit GarbageCollector(const std::string& workDir);
  Opaque<64> content;  // 16
};
struct TaskStatusUpdateManager {
  explicit TaskStatusUpdateManager(const Flags& flags);
  Opaque<64> content;  // 16
};
class VolumeGidManager {
 public:
  static Try<VolumeGidManager*> create(const Flags& flags);
};
class Containerizer {
 public:
  static Try<Containerizer*> create(const Flags& flags, bool local, Fetcher* fetcher, GarbageCollector* gc,
                                    SecretResolver* secretResolver, VolumeGidManager* volumeGidManager,
                                    PendingFutureTracker* futureTracker, CSIServer* csiServer);
};
struct Slave {
  Slave(const std::string& id, const Flags& flags, mesos::master::detector::MasterDetector* detector,
        Containerizer* containerizer, Files* files, GarbageCollector* gc, TaskStatusUpdateManager* updates,
        mesos::slave::ResourceEstimator* estimator, mesos::slave::QoSController* qos, SecretGenerator* secrets,
        VolumeGidManager* volumeGidManager, PendingFutureTracker* futureTracker,
        process::Owned<CSIServer>&& csiServer,
        const Option<process::network::internal::Socket<process::network::unix::Address>>& executorSocket,
        const Option<Authorizer*>& authorizer);
  Opaque<32768> content;  // 9376
};

class IOSwitchboardServer {
 public:
  struct Flags {
    Flags();
    Opaque<8192> content;
  };
  static Try<process::Owned<IOSwitchboardServer>> create(bool tty, int stdinTo, int stdoutFrom, int stdoutTo,
                                                         int stderrFrom, int stderrTo, const std::string& socketPath,
                                                         bool waitForConnection, Option<Duration> heartbeatInterval);
  process::Future<Nothing> run();
  void unblock();
};

struct MesosContainerizerLaunch {
  struct Flags {
    Flags();
    Opaque<8192> content;
  };
};
struct NetworkCniIsolatorSetup {
  NetworkCniIsolatorSetup();
  Opaque<16384> content;
};
}  // namespace slave

}  // namespace internal
}  // namespace mesos
