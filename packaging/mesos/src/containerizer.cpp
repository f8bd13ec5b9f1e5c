// mesos-containerizer: what the agent runs to enter a container, in the library's own words.
//
//   launch               sets up the container and executes the task; all parameters in the environment
//   network-cni-setup    prepares a network namespace
//   mount                --operation=make-rslave --path=PATH
#include <sys/mount.h>
#include <unistd.h>

#include <cstring>
#include <iostream>

#include "program.h"

using mesos::internal::slave::MesosContainerizerLaunch;
using mesos::internal::slave::NetworkCniIsolatorSetup;

extern "C" char launchVirtualTable[] asm("_ZTVN5mesos8internal5slave24MesosContainerizerLaunchE");
extern "C" intptr_t launchFlagsVirtualTable[] asm("_ZTVN5mesos8internal5slave24MesosContainerizerLaunch5FlagsE");

namespace {

// A subcommand object's virtual functions are: two destructors, execute(), getFlags().
int dispatch(void* subcommand, flags::FlagsBase* flags, int argc, char** argv) {
  const auto loaded = flags->load(Option<std::string>("MESOS_CONTAINERIZER_"), argc, argv, false, false);
  if (loaded.isError()) {
    fail(loaded.error.get().message);
  }
  void** functions = *static_cast<void***>(subcommand);
  return reinterpret_cast<int (*)(void*)>(functions[2])(subcommand);
}

flags::FlagsBase* flagsOf(void* subcommand) {
  void** functions = *static_cast<void***>(subcommand);
  return reinterpret_cast<flags::FlagsBase* (*)(void*)>(functions[3])(subcommand);
}

// The class has no constructor of its own in the library: its virtual table is put in place, and its
// flags are constructed where getFlags() says they are. (The virtual base lies behind the flags, at
// the offset with which their virtual table begins.)
int launch(int argc, char** argv) {
  auto* subcommand = new Opaque<16384>();
  std::memset(subcommand, 0, sizeof(*subcommand));
  *reinterpret_cast<char**>(subcommand) = launchVirtualTable + 2 * sizeof(void*);
  auto* base = flagsOf(subcommand);
  new (reinterpret_cast<char*>(base) - launchFlagsVirtualTable[0]) MesosContainerizerLaunch::Flags();
  return dispatch(subcommand, base, argc, argv);
}

int setUpNetwork(int argc, char** argv) {
  auto* subcommand = new NetworkCniIsolatorSetup();
  return dispatch(subcommand, flagsOf(subcommand), argc, argv);
}

int makeSlaveMount(int argc, char** argv) {
  std::string operation;
  std::string path;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : argument.substr(equals + 1);
    if (name == "--operation") {
      operation = value;
    } else if (name == "--path") {
      path = value;
    }
  }
  if (operation != "make-rslave" || path.empty()) {
    fail("mount: --operation=make-rslave and --path=PATH must be given");
  }
  if (::mount(nullptr, path.c_str(), nullptr, MS_SLAVE | MS_REC, nullptr) != 0) {
    fail("mount: cannot make '" + path + "' a slave mount: " + std::strerror(errno));
  }
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "launch") {
    _exit(launch(argc - 1, argv + 1));
  }
  if (command == "network-cni-setup") {
    _exit(setUpNetwork(argc - 1, argv + 1));
  }
  if (command == "mount") {
    _exit(makeSlaveMount(argc - 1, argv + 1));
  }
  fail("Usage: mesos-containerizer launch|network-cni-setup|mount ... (got '" + command + "')");
}
