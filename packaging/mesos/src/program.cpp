#include "program.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

namespace {

const char* const kVersion = "1.11.0";
const Duration kForever{-1000000000};

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::toupper(c); });
  return text;
}

}  // namespace

void fail(const std::string& message) {
  std::cerr << message << std::endl;
  _exit(EXIT_FAILURE);
}

Duration parseDuration(const std::string& text) {
  static const std::map<std::string, double> nanoseconds = {
      {"ns", 1},      {"us", 1e3},     {"ms", 1e6},      {"secs", 1e9},
      {"mins", 60e9}, {"hrs", 3600e9}, {"days", 86400e9}, {"weeks", 7 * 86400e9}};
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  const auto unit = nanoseconds.find(end);
  if (end == text.c_str() || unit == nanoseconds.end()) {
    fail("Not a duration: '" + text + "' (write for example 10secs or 5mins)");
  }
  return Duration{static_cast<int64_t>(number * unit->second)};
}

std::string verbatimContentOf(const std::string& value) {
  const std::string scheme = "file://";
  std::string path;
  if (value.rfind(scheme, 0) == 0) {
    path = value.substr(scheme.size());
  } else if (!value.empty() && value[0] == '/') {
    path = value;
  } else {
    return value;
  }
  std::ifstream file(path);
  if (!file) {
    fail("Cannot read '" + path + "'");
  }
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

std::string contentOf(const std::string& value) {
  std::string text = verbatimContentOf(value);
  text.erase(text.find_last_not_of(" \t\r\n") + 1);
  return text;
}

std::string programDirectory() { return std::filesystem::read_symlink("/proc/self/exe").parent_path().string(); }

Program::Program(const std::string& name, flags::FlagsBase* base, int argc, char** argv) : argc_(argc), argv_(argv) {
  const auto loaded = base->load(Option<std::string>("MESOS_"), argc, argv, false, false);
  values_ = base->buildEnvironment(Option<std::string>());
  // Before the error: `--help` alone lacks flags that are otherwise required.
  if (isTrue("help")) {
    std::cout << base->usage(Option<std::string>()) << std::endl;
    _exit(EXIT_SUCCESS);
  }
  if (isTrue("version")) {
    std::cout << "mesos " << kVersion << std::endl;
    _exit(EXIT_SUCCESS);
  }
  if (loaded.isError()) {
    fail(name + ": " + loaded.error.get().message + "\nSee `" + name + " --help`.");
  }
  for (const auto& warning : loaded.value.get().warnings) {
    std::cerr << warning.message << std::endl;
  }
}

bool Program::has(const std::string& flag) const { return values_.count(upper(flag)) > 0; }

std::string Program::value(const std::string& flag, const std::string& fallback) const {
  const auto found = values_.find(upper(flag));
  return found == values_.end() ? fallback : found->second;
}

std::string Program::given(const std::string& flag) const {
  const std::string option = "--" + flag + "=";
  for (int i = 1; i < argc_; ++i) {
    const std::string argument = argv_[i];
    if (argument.rfind(option, 0) == 0) {
      return argument.substr(option.size());
    }
  }
  const char* variable = std::getenv(("MESOS_" + upper(flag)).c_str());
  return variable == nullptr ? "" : variable;
}

Option<std::string> Program::optional(const std::string& flag) const {
  if (!has(flag)) {
    return {};
  }
  return {value(flag)};
}

void Program::refuse(const std::string& flag, const std::string& onlyAccepted, const std::string& why) const {
  // A structured flag is only readable as it was given, a boolean one may be given without a value.
  const std::string loaded = value(flag);
  const bool boolean = loaded == "true" || loaded == "false";
  const std::string text = boolean || given(flag).empty() ? loaded : given(flag);
  if (!text.empty() && text != onlyAccepted) {
    fail("--" + flag + "=" + text + " is not possible with this build: " + why);
  }
}

void Program::startLogging() const {
  Option<mesos::internal::logging::Flags> flags{Option<mesos::internal::logging::Flags>::InPlace{}};
  auto* base = virtualBase<flags::FlagsBase>(&flags.get());
  auto loaded = base->load(Option<std::string>("MESOS_"), argc_, argv_, true, true);
  valueOrFail(loaded, "read the logging flags");
  // Never destroyed: the library keeps what it needs, but its destructor is not ours to call.
  mesos::internal::logging::initialize(argv_[0], true, flags);
}

void Program::exportLibprocessSettings() const {
  // The library reads these settings from the environment only.
  for (const char* flag : {"ip", "ip6", "port", "advertise_ip", "advertise_port"}) {
    if (has(flag)) {
      setenv(("LIBPROCESS_" + upper(flag)).c_str(), value(flag).c_str(), 1);
    }
  }
}

void Program::start(const std::string& delegate, const std::string& realmPrefix) const {
  startLogging();
  exportLibprocessSettings();
  process::initialize(delegate, Option<std::string>(realmPrefix + "-readwrite"),
                      Option<std::string>(realmPrefix + "-readonly"));
  auto* version = new mesos::internal::VersionProcess();
  process::spawn(virtualBase<process::ProcessBase>(version), true);
}

void run(process::ProcessBase* process) {
  const process::UPID pid = process::spawn(process, false);
  process::wait(pid, kForever);
  _exit(EXIT_SUCCESS);
}
