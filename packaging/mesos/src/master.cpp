// mesos-master: builds the parts of a master and hands them to the library's Master.
#include <algorithm>
#include <filesystem>

#include "program.h"
#include "security.h"

using mesos::MasterInfo;
using mesos::internal::Files;
using mesos::internal::master::Flags;
using mesos::internal::master::Master;
using mesos::internal::master::Registrar;
using mesos::master::contender::MasterContender;
using mesos::master::detector::MasterDetector;
using mesos::master::detector::StandaloneMasterDetector;
using mesos::state::State;

namespace {

const char* const kReadonlyRealm = "mesos-master-readonly";

// zk://[user:password@]host:port[,host:port...]/path
struct ZooKeeperUrl {
  std::string servers;
  std::string credentials;
  std::string path;

  explicit ZooKeeperUrl(const std::string& url) {
    const std::string scheme = "zk://";
    if (url.rfind(scheme, 0) != 0) {
      fail("--zk must be zk://host:port,.../path or the name of a file (file:///path) with such a line");
    }
    const std::string rest = url.substr(scheme.size());
    const size_t slash = rest.find('/');
    if (slash == std::string::npos || slash + 1 == rest.size()) {
      fail("--zk lacks the path in ZooKeeper: zk://host:port,.../path");
    }
    path = rest.substr(slash);
    servers = rest.substr(0, slash);
    const size_t at = servers.rfind('@');
    if (at != std::string::npos) {
      credentials = servers.substr(0, at);
      servers = servers.substr(at + 1);
    }
  }
};

// Without ZooKeeper nobody tells the detector who leads: this contender does, once it knows itself.
class StandaloneContender : public MasterContender {
 public:
  StandaloneContender(MasterContender* contender, StandaloneMasterDetector* detector)
      : contender_(contender), detector_(detector) {}

  void initialize(const MasterInfo& info) override {
    contender_->initialize(info);
    detector_->appoint(Option<MasterInfo>(info));
  }

  process::Future<process::Future<Nothing>> contend() override { return contender_->contend(); }

 private:
  MasterContender* contender_;
  StandaloneMasterDetector* detector_;
};

mesos::log::Log* createLog(const Program& program, const std::string& zk, const Duration& sessionTimeout) {
  const std::string path = program.value("work_dir") + "/replicated_log";
  const bool autoInitialize = program.isTrue("log_auto_initialize");
  const Option<std::string> metrics("registrar/");
  if (zk.empty()) {
    return new mesos::log::Log(1, path, std::set<process::UPID>(), autoInitialize, metrics);
  }
  const ZooKeeperUrl url(zk);
  const int quorum = std::stoi(program.value("quorum"));
  const std::string znode = url.path + "/log_replicas";
  if (url.credentials.empty()) {
    return new mesos::log::Log(quorum, path, url.servers, sessionTimeout, znode,
                               Option<zookeeper::Authentication>(), autoInitialize, metrics);
  }
  const zookeeper::Authentication digest{"digest", url.credentials};
  return new mesos::log::Log(quorum, path, url.servers, sessionTimeout, znode,
                             Option<zookeeper::Authentication>(digest), autoInitialize, metrics);
}

State* createState(const Program& program, const std::string& zk, const Duration& sessionTimeout) {
  void* storage = nullptr;
  if (program.value("registry") == "in_memory") {
    storage = new mesos::state::InMemoryStorage();
  } else {
    storage = new mesos::state::LogStorage(createLog(program, zk, sessionTimeout), 0);
  }
  return new State{nullptr, storage};
}

// --agent_removal_rate_limit=N/DURATION; the master is given none if the flag is not set.
using SharedLimiter = std::shared_ptr<process::RateLimiter>;

struct RemovalLimit {
  int permits;
  Duration duration;
};

RemovalLimit parseRemovalLimit(const std::string& limit) {
  const size_t slash = limit.find('/');
  const std::string permits = limit.substr(0, slash);
  const bool isNumber =
      !permits.empty() && permits.size() < 9 && std::all_of(permits.begin(), permits.end(), ::isdigit);
  if (slash == std::string::npos || !isNumber || std::stoi(permits) == 0) {
    fail("--agent_removal_rate_limit=" + limit + " is not of the form <number of agents>/<duration>, such as 1/10mins");
  }
  return {std::stoi(permits), parseDuration(limit.substr(slash + 1))};
}

Option<SharedLimiter> createRemovalLimiter(const Program& program) {
  if (!program.has("agent_removal_rate_limit")) {
    return {};
  }
  const RemovalLimit limit = parseRemovalLimit(program.value("agent_removal_rate_limit"));
  return {SharedLimiter(new process::RateLimiter(limit.permits, limit.duration))};
}

void check(const Program& program, const std::string& zk) {
  const std::string registry = program.value("registry");
  if (registry != "in_memory" && registry != "replicated_log") {
    fail("--registry must be replicated_log or in_memory, not '" + registry + "'");
  }
  if (registry == "in_memory" && !zk.empty()) {
    fail("--registry=in_memory is for a standalone master: with --zk the masters need --registry=replicated_log");
  }
  if (registry == "replicated_log" && !program.has("work_dir")) {
    fail("--work_dir must be given (or --registry=in_memory)");
  }
  if (!zk.empty() && !program.has("quorum")) {
    fail("--quorum must be given with --zk: more than half of the number of masters");
  }
  if (!zk.empty()) {
    ZooKeeperUrl{zk};
  }
  if (program.has("agent_removal_rate_limit")) {
    parseRemovalLimit(program.value("agent_removal_rate_limit"));
  }
  const std::string why = "the allocator in it is the hierarchical one with DRF";
  program.refuse("allocator", "hierarchical", why);
  program.refuse("role_sorter", "drf", why);
  program.refuse("framework_sorter", "drf", why);
  program.refuse("firewall_rules", "", "no endpoint would be closed; use the authorizer or a packet filter");
  program.refuse("ip_discovery_command", "", "give --ip");
  program.refuse("memory_profiling", "false", "it has no jemalloc");
}

MasterContender* createContender(const Program& program, const std::string& zk, const Duration& sessionTimeout,
                                 MasterDetector* detector) {
  const Option<Duration> timeout(sessionTimeout);
  const Option<std::string> module = program.optional("master_contender");
  if (!zk.empty()) {
    auto created = MasterContender::create(Option<std::string>(zk), module, timeout);
    return valueOrFail(created, "create the master contender");
  }
  auto created = MasterContender::create(Option<std::string>(), module, timeout);
  MasterContender* contender = valueOrFail(created, "create the master contender");
  if (module.isSome() || program.has("master_detector")) {
    return contender;
  }
  return new StandaloneContender(contender, static_cast<StandaloneMasterDetector*>(detector));
}

MasterDetector* createDetector(const Program& program, const std::string& zk, const Duration& sessionTimeout) {
  const Option<Duration> timeout(sessionTimeout);
  const Option<std::string> module = program.optional("master_detector");
  if (zk.empty()) {
    auto created = MasterDetector::create(Option<std::string>(), module, timeout);
    return valueOrFail(created, "create the master detector");
  }
  auto created = MasterDetector::create(Option<std::string>(zk), module, timeout);
  return valueOrFail(created, "create the master detector");
}

mesos::allocator::Allocator* createAllocator() {
  using mesos::internal::master::allocator::DRFSorter;
  using mesos::internal::master::allocator::HierarchicalAllocatorProcess;
  using mesos::internal::master::allocator::MesosAllocator;
  auto* allocator = new MesosAllocator<HierarchicalAllocatorProcess<DRFSorter, DRFSorter>>();
  return reinterpret_cast<mesos::allocator::Allocator*>(allocator);
}

Master* createMaster(const Program& program, const Flags& flags) {
  const std::string zk = contentOf(program.given("zk"));
  const Duration sessionTimeout = parseDuration(program.value("zk_session_timeout", "10secs"));
  mesos::Authorizer* authorizer = createAuthorizer(program, "authorizers");
  State* state = createState(program, zk, sessionTimeout);
  auto* registrar = new Registrar(flags, state, Option<std::string>(kReadonlyRealm));
  auto* files = new Files(Option<std::string>(kReadonlyRealm), optional(authorizer));
  MasterDetector* detector = createDetector(program, zk, sessionTimeout);
  MasterContender* contender = createContender(program, zk, sessionTimeout, detector);
  return new Master(createAllocator(), registrar, files, contender, detector, optional(authorizer),
                    createRemovalLimiter(program), flags);
}

}  // namespace

int main(int argc, char** argv) {
  auto* flags = new Flags();
  auto* base = virtualBase<flags::FlagsBase>(flags, kFlagsBaseAfterLogging);
  const Program program("mesos-master", base, argc, argv);
  check(program, contentOf(program.given("zk")));
  program.start("master", "mesos-master");
  if (program.has("work_dir")) {
    std::error_code error;
    std::filesystem::create_directories(program.value("work_dir"), error);
    if (error) {
      fail("Cannot make --work_dir '" + program.value("work_dir") + "': " + error.message());
    }
  }
  loadModules(program);
  run(virtualBase<process::ProcessBase>(createMaster(program, *flags)));
}
