// mesos-io-switchboard: carries standard input and output of a container to who attaches to it.
#include <signal.h>
#include <unistd.h>

#include <iostream>
#include <thread>

#include "program.h"

using mesos::internal::slave::IOSwitchboardServer;

int main(int argc, char** argv) {
  // Before any thread is started, so that all of them leave the signal to the one waiting for it.
  sigset_t terminate;
  sigemptyset(&terminate);
  sigaddset(&terminate, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &terminate, nullptr);

  auto* flags = new IOSwitchboardServer::Flags();
  auto* base = virtualBase<flags::FlagsBase>(flags);
  const auto loaded = base->load(Option<std::string>(), argc, argv, false, false);
  if (loaded.isError()) {
    fail("mesos-io-switchboard: " + loaded.error.get().message);
  }
  auto values = base->buildEnvironment(Option<std::string>());
  if (values["HELP"] == "true") {
    std::cout << base->usage(Option<std::string>()) << std::endl;
    _exit(EXIT_SUCCESS);
  }
  for (const char* needed : {"STDIN_TO_FD", "STDOUT_FROM_FD", "STDOUT_TO_FD", "STDERR_FROM_FD", "STDERR_TO_FD",
                             "SOCKET_ADDRESS"}) {
    if (values.count(needed) == 0) {
      fail(std::string("mesos-io-switchboard: the flag for ") + needed + " is missing");
    }
  }
  const auto fd = [&values](const char* name) { return std::stoi(values[name]); };
  const auto heartbeat = [&values]() -> Option<Duration> {
    if (values.count("HEARTBEAT_INTERVAL") == 0) {
      return {};
    }
    return {parseDuration(values["HEARTBEAT_INTERVAL"])};
  };

  process::initialize(Option<std::string>(), Option<std::string>(), Option<std::string>());
  auto created = IOSwitchboardServer::create(
      values["TTY"] == "true", fd("STDIN_TO_FD"), fd("STDOUT_FROM_FD"), fd("STDOUT_TO_FD"), fd("STDERR_FROM_FD"),
      fd("STDERR_TO_FD"), values["SOCKET_ADDRESS"], values["WAIT_FOR_CONNECTION"] == "true", heartbeat());
  IOSwitchboardServer* server = valueOrFail(created, "create the I/O switchboard").get();

  std::thread([server, terminate]() {
    int received = 0;
    while (sigwait(&terminate, &received) == 0) {
      server->unblock();
    }
  }).detach();

  const process::Future<Nothing> done = server->run();
  done.await(Duration{-1000000000});
  _exit(EXIT_SUCCESS);
}
