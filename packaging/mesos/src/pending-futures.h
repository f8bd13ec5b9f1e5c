// The agent's tracker of operations that hang. It exists in the library's headers only, so the
// launcher must bring an object with the layout that the library's code expects.
#pragma once

#include "mesos.h"

namespace process {

template <typename T>
class Process : public virtual ProcessBase {
 public:
  Process() : ProcessBase(std::string("unused: the most derived class names the process")) {}
};

}  // namespace process

namespace mesos {
namespace internal {

struct PendingFuture {
  std::string operation;
  std::string component;
  std::map<std::string, std::string> arguments;
};

// The library finds this class by its name when it dispatches to it, and works on the list.
class PendingFutureTrackerProcess : public process::Process<PendingFutureTrackerProcess> {
 public:
  PendingFutureTrackerProcess() : ProcessBase("pending-future-tracker") {}
  std::list<PendingFuture> pending;
};

// {pointer to a block whose first word is the process, reference count (none: never released)}
class PendingFutureTracker {
 public:
  static PendingFutureTracker* create() {
    auto* process = new PendingFutureTrackerProcess();
    process::spawn(virtualBase<process::ProcessBase>(process), false);
    return new PendingFutureTracker{new PendingFutureTrackerProcess*(process), nullptr};
  }

  PendingFutureTrackerProcess** process;
  void* references;
};
static_assert(sizeof(PendingFutureTracker) == 16);

}  // namespace internal
}  // namespace mesos
