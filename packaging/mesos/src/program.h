// What all launchers share: flags, logging, libprocess, and how they end.
#pragma once

#include <map>
#include <string>

#include "mesos.h"

// Prints to standard error and ends the program with status 1. `_exit` because neither the library's
// nor our static destructors may run.
[[noreturn]] void fail(const std::string& message);

template <typename T>
T& valueOrFail(Try<T>& result, const std::string& what) {
  if (result.isError()) {
    fail("Failed to " + what + ": " + result.error.get().message);
  }
  return result.value.get();
}

// "10secs", "1.5mins" ... to a duration; fails on anything else.
Duration parseDuration(const std::string& text);

// The content of the file if `value` is `file:///path` or `/path`, otherwise `value` itself.
std::string contentOf(const std::string& value);

// The same to the last byte: the library reads keys so, and both must come to one key.
std::string verbatimContentOf(const std::string& value);

// The directory in which the running program lies.
std::string programDirectory();

class Program {
 public:
  // Loads the flags, answers --help and --version and ends on a wrong flag. `base` belongs to the
  // library's Flags object of the program.
  Program(const std::string& name, flags::FlagsBase* base, int argc, char** argv);

  bool has(const std::string& flag) const;
  std::string value(const std::string& flag, const std::string& fallback = "") const;
  bool isTrue(const std::string& flag) const { return value(flag) == "true"; }

  // The flag as it was given on the command line or in MESOS_<FLAG>. Structured flags (--acls) and
  // file:// values cannot be read back from the library.
  std::string given(const std::string& flag) const;
  Option<std::string> optional(const std::string& flag) const;

  // Ends the program if a flag was given that the launchers could only ignore.
  void refuse(const std::string& flag, const std::string& onlyAccepted, const std::string& why) const;

  // Starts logging, then libprocess with the delegate that gets requests such as /state.
  void start(const std::string& delegate, const std::string& realmPrefix) const;

 private:
  void startLogging() const;
  void exportLibprocessSettings() const;

  int argc_;
  char** argv_;
  std::map<std::string, std::string> values_;
};

// Spawns the program's main process, waits for its end (it has none in normal operation) and leaves.
[[noreturn]] void run(process::ProcessBase* process);
