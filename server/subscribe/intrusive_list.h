#pragma once

#include <cstddef>

#include "server/base/check.h"

namespace sidebus {

// A place in an IntrusiveList, a member of the element.
template <typename T>
struct ListHook {
  T* previous = nullptr;
  T* next = nullptr;
};

// A list of elements that belong to somebody else: no allocation, O(1) removal from the middle. An
// element is in at most one list per hook, and must leave it before it dies.
//
// Thread safety: none.
template <typename T, ListHook<T> T::*Hook>
class IntrusiveList {
 public:
  IntrusiveList() = default;
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;

  bool empty() const { return first_ == nullptr; }
  std::size_t size() const { return size_; }
  T* front() const { return first_; }

  // The element after `element`, null at the end.
  static T* Next(const T& element) { return (element.*Hook).next; }

  void PushBack(T& element) {
    (element.*Hook) = {last_, nullptr};
    (last_ == nullptr ? first_ : (last_->*Hook).next) = &element;
    last_ = &element;
    ++size_;
  }

  void PushFront(T& element) {
    (element.*Hook) = {nullptr, first_};
    (first_ == nullptr ? last_ : (first_->*Hook).previous) = &element;
    first_ = &element;
    ++size_;
  }

  void Erase(T& element) {
    ListHook<T>& hook = element.*Hook;
    SIDEBUS_CHECK(hook.previous != nullptr || first_ == &element);
    (hook.previous == nullptr ? first_ : (hook.previous->*Hook).next) = hook.next;
    (hook.next == nullptr ? last_ : (hook.next->*Hook).previous) = hook.previous;
    hook = {};
    --size_;
  }

 private:
  T* first_ = nullptr;
  T* last_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace sidebus
