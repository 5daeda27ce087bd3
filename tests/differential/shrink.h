// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "tests/differential/yaml_value.h"

namespace drywall::test {

/// Makes something that goes wrong small: documents and what is done with them, of which a predicate says whether it
/// still goes wrong. Leaves out documents, list entries and fields, from the largest to the smallest, and takes simpler
/// journeys, until nothing more can go.
///   Journey  any value; `simpler` gives the values to try instead of one
template <class Journey>
class Shrinker {
 public:
  struct Case {
    Documents documents;
    Journey journey;
    bool operator==(const Case&) const = default;
  };
  using StillWrong = std::function<bool(const Case&)>;
  using Simpler = std::function<std::vector<Journey>(const Journey&)>;

  Shrinker(Case wrong, StillWrong still_wrong, Simpler simpler)
      : case_(std::move(wrong)), still_wrong_(std::move(still_wrong)), simpler_(std::move(simpler)) {}

  Case run() {
    bool smaller = true;
    while (smaller) {
      smaller = shrink_journey();
      smaller |= halve_documents();
      smaller |= shrink_documents();
    }
    return std::move(case_);
  }

 private:
  /// Where a value is in the documents: the document, then the child of each level.
  using Path = std::vector<std::size_t>;

  bool keep_if_wrong(Case candidate) {
    if (!still_wrong_(candidate)) return false;
    case_ = std::move(candidate);
    return true;
  }

  bool shrink_journey() {
    bool any = false;
    bool smaller = true;
    while (smaller) {
      smaller = false;
      for (Journey& journey : simpler_(case_.journey)) {
        smaller = keep_if_wrong({case_.documents, std::move(journey)});
        any |= smaller;
        if (smaller) break;
      }
    }
    return any;
  }

  /// Many documents at once, which saves time and nothing else.
  bool halve_documents() {
    bool any = false;
    for (std::size_t size = case_.documents.size() / 2; size > 1; size /= 2) {
      for (std::size_t begin = 0; begin + size <= case_.documents.size();) {
        Case candidate = case_;
        const auto first = candidate.documents.begin() + static_cast<std::ptrdiff_t>(begin);
        candidate.documents.erase(first, first + static_cast<std::ptrdiff_t>(size));
        if (keep_if_wrong(std::move(candidate))) {
          any = true;
        } else {
          begin += size;
        }
      }
    }
    return any;
  }

  bool shrink_documents() {
    bool any = false;
    for (std::size_t i = 0; i < case_.documents.size();) {
      Case candidate = case_;
      candidate.documents.erase(candidate.documents.begin() + static_cast<std::ptrdiff_t>(i));
      if (keep_if_wrong(std::move(candidate))) {
        any = true;
      } else {
        any |= shrink_below({i});
        ++i;
      }
    }
    return any;
  }

  /// The children of the value at `path`, each with all that is below it.
  bool shrink_below(const Path& path) {
    bool any = false;
    for (std::size_t child = 0; child < at(case_, path).children.size();) {
      Case candidate = case_;
      at(candidate, path).remove(child);
      if (keep_if_wrong(std::move(candidate))) {
        any = true;
        continue;
      }
      Path deeper = path;
      deeper.push_back(child);
      any |= shrink_below(deeper);
      ++child;
    }
    return any;
  }

  static YamlValue& at(Case& in, const Path& path) {
    YamlValue* value = &in.documents[path.front()];
    for (std::size_t level = 1; level < path.size(); ++level) value = &value->children[path[level]];
    return *value;
  }

  Case case_;
  StillWrong still_wrong_;
  Simpler simpler_;
};

}  // namespace drywall::test
