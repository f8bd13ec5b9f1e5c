// mesos-agent: builds the parts of an agent and hands them to the library's Slave.
#include <cstdlib>
#include <filesystem>

#include "pending-futures.h"
#include "program.h"
#include "security.h"

using mesos::internal::Files;
using mesos::internal::PendingFutureTracker;
using mesos::internal::slave::Containerizer;
using mesos::internal::slave::CSIServer;
using mesos::internal::slave::Fetcher;
using mesos::internal::slave::Flags;
using mesos::internal::slave::GarbageCollector;
using mesos::internal::slave::Slave;
using mesos::internal::slave::TaskStatusUpdateManager;
using mesos::internal::slave::VolumeGidManager;
using mesos::master::detector::MasterDetector;

namespace {

// Helpers of the agent lie at a fixed place relative to it, so an unpacked package works as well.
void setDefaults() {
  const std::string helpers = programDirectory() + "/../lib/utopia-mesos/libexec";
  setenv("MESOS_LAUNCHER_DIR", std::filesystem::weakly_canonical(helpers).c_str(), 0);
  // The library's default is true, but it would need a set-up that its agent program does.
  setenv("MESOS_SYSTEMD_ENABLE_SUPPORT", "false", 0);
}

void check(const Program& program) {
  if (program.given("master").empty() && !program.has("master_detector")) {
    fail("--master (or --master_detector) must be given: zk://host:port,.../path, host:port or file:///path");
  }
  if (program.isTrue("authenticate_http_executors") && program.given("jwt_secret_key").empty()) {
    fail("--jwt_secret_key must be given with --authenticate_http_executors");
  }
  program.refuse("systemd_enable_support", "false", "run it in a unit with KillMode=process and Delegate=yes");
  program.refuse("firewall_rules", "", "no endpoint would be closed; use the authorizer or a packet filter");
  program.refuse("ip_discovery_command", "", "give --ip");
  program.refuse("ip6_discovery_command", "", "give --ip6");
  program.refuse("memory_profiling", "false", "it has no jemalloc");
  program.refuse("csi_plugin_config_dir", "", "it has no CSI server");
  program.refuse("http_executor_domain_sockets", "false", "executors reach the agent over TCP");
}

MasterDetector* createDetector(const Program& program) {
  const Option<Duration> timeout(parseDuration(program.value("zk_session_timeout", "10secs")));
  const std::string master = contentOf(program.given("master"));
  const Option<std::string> module = program.optional("master_detector");
  if (master.empty()) {
    auto created = MasterDetector::create(Option<std::string>(), module, timeout);
    return valueOrFail(created, "create the master detector");
  }
  auto created = MasterDetector::create(Option<std::string>(master), module, timeout);
  return valueOrFail(created, "create the master detector");
}

mesos::SecretGenerator* createSecretGenerator(const Program& program) {
  const std::string key = program.given("jwt_secret_key");
  if (key.empty()) {
    return nullptr;
  }
  auto* generator = new mesos::authentication::executor::JWTSecretGenerator(verbatimContentOf(key));
  return reinterpret_cast<mesos::SecretGenerator*>(generator);
}

VolumeGidManager* createVolumeGidManager(const Program& program, const Flags& flags) {
  if (!program.has("volume_gid_range")) {
    return nullptr;
  }
  auto created = VolumeGidManager::create(flags);
  return valueOrFail(created, "create the volume group manager");
}

Slave* createAgent(const Program& program, const Flags& flags) {
  const std::string workDir = program.value("work_dir");
  mesos::Authorizer* authorizer = createAuthorizer(program, "authorizer");
  auto* files = new Files(Option<std::string>("mesos-agent-readonly"), optional(authorizer));
  auto* collector = new GarbageCollector(workDir);
  auto* updates = new TaskStatusUpdateManager(flags);
  auto* fetcher = new Fetcher(flags);
  auto resolver = mesos::SecretResolver::create(program.optional("secret_resolver"));
  auto estimator = mesos::slave::ResourceEstimator::create(program.optional("resource_estimator"));
  auto qos = mesos::slave::QoSController::create(program.optional("qos_controller"));
  VolumeGidManager* gids = createVolumeGidManager(program, flags);
  PendingFutureTracker* tracker = PendingFutureTracker::create();
  auto containerizer =
      Containerizer::create(flags, false, fetcher, collector, valueOrFail(resolver, "create the secret resolver"),
                            gids, tracker, nullptr);
  valueOrFail(containerizer, "create the containerizer");
  const Option<process::network::internal::Socket<process::network::unix::Address>> noSocket;
  return new Slave("slave(1)", flags, createDetector(program), containerizer.value.get(), files, collector, updates,
                   valueOrFail(estimator, "create the resource estimator"),
                   valueOrFail(qos, "create the QoS controller"), createSecretGenerator(program), gids, tracker,
                   process::Owned<CSIServer>(), noSocket, optional(authorizer));
}

}  // namespace

int main(int argc, char** argv) {
  setDefaults();
  auto* flags = new Flags();
  auto* base = virtualBase<flags::FlagsBase>(flags, kFlagsBaseAfterLogging);
  const Program program("mesos-agent", base, argc, argv);
  check(program);
  program.start("slave(1)", "mesos-agent");
  std::error_code error;
  std::filesystem::create_directories(program.value("work_dir"), error);
  if (error) {
    fail("Cannot make --work_dir '" + program.value("work_dir") + "': " + error.message());
  }
  loadModules(program);
  run(virtualBase<process::ProcessBase>(createAgent(program, *flags)));
}
