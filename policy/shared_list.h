// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <unordered_set>
#include <utility>
#include <vector>

namespace drywall {

/// A list whose elements are constant once they are in it, so that lists share them: a copy, or a list that differs in
/// a few elements, costs a pointer an element. Lists are equal if their elements are; one that both share is not
/// looked at.
template <class T>
class SharedList {
 public:
  using Element = std::shared_ptr<const T>;

  class Iterator {
   public:
    using iterator_category = std::random_access_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using pointer = const T*;
    using reference = const T&;

    Iterator() = default;
    explicit Iterator(const Element* at) : at_(at) {}
    reference operator*() const { return **at_; }
    pointer operator->() const { return at_->get(); }
    reference operator[](difference_type n) const { return *at_[n]; }
    Iterator& operator++() { return *this += 1; }
    Iterator operator++(int) { return std::exchange(*this, *this + 1); }
    Iterator& operator--() { return *this -= 1; }
    Iterator operator--(int) { return std::exchange(*this, *this - 1); }
    Iterator& operator+=(difference_type n) {
      at_ += n;
      return *this;
    }
    Iterator& operator-=(difference_type n) { return *this += -n; }
    friend Iterator operator+(Iterator i, difference_type n) { return i += n; }
    friend Iterator operator+(difference_type n, Iterator i) { return i += n; }
    friend Iterator operator-(Iterator i, difference_type n) { return i -= n; }
    friend difference_type operator-(Iterator a, Iterator b) { return a.at_ - b.at_; }
    auto operator<=>(const Iterator&) const = default;

   private:
    const Element* at_ = nullptr;
  };
  using value_type = T;
  using iterator = Iterator;
  using const_iterator = Iterator;

  SharedList() = default;
  SharedList(std::initializer_list<T> values) : SharedList(values.begin(), values.end()) {}
  SharedList(std::vector<T> values)  // NOLINT: a list of values, whoever holds them
      : SharedList(std::make_move_iterator(values.begin()), std::make_move_iterator(values.end())) {}
  template <class It>
  SharedList(It first, It last) {
    for (; first != last; ++first) push_back(*first);
  }

  [[nodiscard]] std::size_t size() const { return elements_.size(); }
  [[nodiscard]] bool empty() const { return elements_.empty(); }
  [[nodiscard]] Iterator begin() const { return Iterator(elements_.data()); }
  [[nodiscard]] Iterator end() const { return Iterator(elements_.data() + elements_.size()); }
  [[nodiscard]] const T& operator[](std::size_t i) const { return *elements_[i]; }
  [[nodiscard]] const T& at(std::size_t i) const { return *elements_.at(i); }
  [[nodiscard]] const T& front() const { return *elements_.front(); }
  [[nodiscard]] const T& back() const { return *elements_.back(); }
  [[nodiscard]] const Element& shared(std::size_t i) const { return elements_[i]; }
  [[nodiscard]] const std::vector<Element>& elements() const { return elements_; }

  void push_back(T value) { elements_.push_back(std::make_shared<const T>(std::move(value))); }
  void push_back(Element element) { elements_.push_back(std::move(element)); }
  void reserve(std::size_t size) { elements_.reserve(size); }
  /// Puts another value in the place of the element that `change` makes of it; other lists keep theirs.
  template <class Change>
  void edit(std::size_t i, Change change) {
    T value = *elements_[i];
    change(value);
    elements_[i] = std::make_shared<const T>(std::move(value));
  }
  template <class Less>
  void sort(Less less) {
    std::sort(elements_.begin(), elements_.end(), [&](const Element& a, const Element& b) { return less(*a, *b); });
  }

  bool operator==(const SharedList& other) const {
    return std::equal(elements_.begin(), elements_.end(), other.elements_.begin(), other.elements_.end(),
                      [](const Element& a, const Element& b) { return a == b || *a == *b; });
  }

 private:
  std::vector<Element> elements_;
};

/// The elements of two lists that are not the same object in both, in their order. Equal ones may be among them.
template <class T>
struct Unshared {
  std::vector<const T*> left;
  std::vector<const T*> right;
};
template <class T>
Unshared<T> unshared(const SharedList<T>& left, const SharedList<T>& right) {
  auto [l, r] =
      std::mismatch(left.elements().begin(), left.elements().end(), right.elements().begin(), right.elements().end());
  auto l_end = left.elements().end();
  auto r_end = right.elements().end();
  while (l != l_end && r != r_end && *(l_end - 1) == *(r_end - 1)) {
    --l_end;
    --r_end;
  }
  const auto only = [](auto first, auto last, auto other_first, auto other_last) {
    std::unordered_set<const T*> others;
    others.reserve(static_cast<std::size_t>(other_last - other_first));
    for (; other_first != other_last; ++other_first) others.insert(other_first->get());
    std::vector<const T*> found;
    for (; first != last; ++first) {
      if (!others.contains(first->get())) found.push_back(first->get());
    }
    return found;
  };
  return {only(l, l_end, r, r_end), only(r, r_end, l, l_end)};
}

/// `value` as `old` has it already, if they are equal: then who compares them later needs no look.
template <class T>
std::shared_ptr<const T> shared_with(const std::shared_ptr<const T>& old, T value) {
  return old != nullptr && *old == value ? old : std::make_shared<const T>(std::move(value));
}

}  // namespace drywall
