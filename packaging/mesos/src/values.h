// Value types that cross the border between the launchers and the Mesos library.
//
// The library was compiled by GCC 5.4; its headers are not at hand. What is declared here has the
// memory layout that its compiled code shows, and the names from which the compiler makes the very
// same symbol names. Every type leaks on purpose: destructors do nothing, because a destructor of ours
// could disagree with the library's, and each program ends with `_exit`.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <vector>

struct Nothing {};

struct Error {
  std::string message;
};

struct Duration {
  int64_t nanoseconds;
};

// {int32 state: 0 = some, 1 = none; T}. The destructor is what makes the compiler hand such values over
// by hidden reference, as the library expects; the deleted copy keeps them where they were made.
template <typename T>
class Option {
 public:
  Option() : state_(1) {}
  Option(const T& value) : state_(0) { new (&value_) T(value); }
  Option(const Option&) = delete;
  Option& operator=(const Option&) = delete;
  ~Option() {}

  // For types that must be built in place, since the launchers do not know how to copy them.
  struct InPlace {};
  explicit Option(InPlace) : state_(0) { new (&value_) T(); }

  bool isSome() const { return state_ == 0; }
  T& get() { return value_; }
  const T& get() const { return value_; }

 private:
  int32_t state_;
  union {
    T value_;
  };
};

static_assert(sizeof(Option<std::string>) == 40);
static_assert(sizeof(Option<void*>) == 16);

// The value comes first, so an error can be read only when the size of T is exact.
template <typename T, typename E = Error>
struct Try {
  Option<T> value;
  Option<E> error;

  bool isError() const { return !value.isSome(); }
};

static_assert(sizeof(Try<void*>) == 56);
static_assert(sizeof(Try<Nothing>) == 48);

namespace process {

template <typename T>
class Owned {
 public:
  Owned() {}
  ~Owned() {}
  T* get() const { return data_ ? data_->value : nullptr; }

 private:
  struct Data {
    T* value;
  };
  union {  // not destroyed
    std::shared_ptr<Data> data_ = nullptr;
  };
};

template <typename T>
class Future {
 public:
  ~Future() {}
  bool await(const Duration& duration) const;  // the library's

 private:
  union {
    std::shared_ptr<void> data_;
  };
};

static_assert(sizeof(Owned<int>) == 16);
static_assert(sizeof(Future<int>) == 16);

}  // namespace process

// Room for an object of the library that only the library looks into: at least as large as the
// library's own allocations of that class, so its constructor stays inside.
template <size_t size>
struct Opaque {
  alignas(8) char bytes[size];
};

// Masters, agents and flags have ProcessBase or FlagsBase as a virtual base. Where such a base lies is
// known to the object's virtual table only: the offsets of the virtual bases stand before the first
// virtual function, from the third word backwards.
template <typename Base>
Base* virtualBase(void* object, int index = 0) {
  const auto* functions = *static_cast<const intptr_t* const*>(object);
  return reinterpret_cast<Base*>(static_cast<char*>(object) + functions[-3 - index]);
}
