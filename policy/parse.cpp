// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/parse.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "policy/cross_check.h"
#include "policy/parse_document.h"
#include "policy/parse_profile.h"
#include "policy/parse_service.h"
#include "policy/parse_tier.h"
#include "policy/report.h"
#include "policy/spelling.h"

namespace drywall {
namespace {

using reading::Draft;
using reading::Reader;
using reading::Report;

/// What is there without any document.
Draft built_in() {
  Draft draft;
  draft.inventory.tiers = reading::built_in_tiers();
  for (const Tier& tier : draft.inventory.tiers) draft.tiers.insert(tier.name);
  draft.inventory.profiles.push_back(reading::allow_all_profile());
  draft.profiles.insert(draft.inventory.profiles.back().name);
  return draft;
}

std::vector<std::uint32_t> in_order_of_names(const SharedList<yaml::SourceFile>& files) {
  std::vector<std::uint32_t> order(files.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return files[a].name < files[b].name; });
  return order;
}

/// Whether the loader found an error in the lines [first, end) of a file: then what it made of them cannot be judged.
bool is_broken(const Diagnostics& diagnostics, std::uint32_t first, std::uint32_t end) {
  return std::any_of(diagnostics.begin(), diagnostics.end(), [&](const Diagnostic& d) {
    return d.severity == Severity::error && d.at.line >= first && d.at.line < end;
  });
}

void read_documents(const yaml::SourceFile& file, Reader reader, Report& report, Draft& draft) {
  yaml::Documents documents = yaml::load(file);
  const Diagnostics& mistakes = documents.diagnostics;
  if (has_errors(mistakes)) draft.complete = false;
  for (std::size_t i = 0; i < documents.roots.size(); ++i) {
    const bool last = i + 1 == documents.roots.size();
    const std::uint32_t end = last ? std::numeric_limits<std::uint32_t>::max() : documents.roots[i + 1].line;
    if (!is_broken(mistakes, documents.roots[i].line, end)) reading::read_document(reader, draft, documents.roots[i]);
  }
  report.add(0, std::move(documents.diagnostics));
}

/// What one file says, whatever the others say.
struct FilePart {
  Draft draft;
  Report::Found found;
};

FilePart read_file(const yaml::SourceFile& file, reading::SelectorTable& selectors, std::size_t expansion_left) {
  Report report(std::span(&file, 1));
  FilePart part;
  part.draft.inventory.tiers = reading::built_in_tiers();
  part.draft.expansion_left = expansion_left;
  read_documents(file, Reader(report, selectors, 0), report, part.draft);
  part.found = report.take_found();
  return part;
}

/// Puts the objects of `old` in the place of those that are equal.
template <class T, class Id>
void share(SharedList<T>& list, const SharedList<T>& old, Id id) {
  std::map<decltype(id(old[0])), std::size_t> known;
  for (std::size_t i = 0; i < old.size(); ++i) known.emplace(id(old[i]), i);
  SharedList<T> shared;
  shared.reserve(list.size());
  for (const auto& element : list.elements()) {
    const auto found = known.find(id(*element));
    const bool is_same = found != known.end() && old[found->second] == *element;
    shared.push_back(is_same ? old.shared(found->second) : element);
  }
  list = std::move(shared);
}

void share(Inventory& inventory, const Inventory& old) {
  share(inventory.policies, old.policies, [](const Policy& policy) { return policy.id; });
  share(inventory.network_sets, old.network_sets, [](const NetworkSet& set) { return std::pair(set.ns, set.name); });
}

/// Joins the parts that single files are to the whole directory.
class Joining {
 public:
  Joining(Draft& whole, Report& report) : whole_(whole), report_(report) {}

  void add(const FilePart& part, std::uint32_t file) {
    report_.adopt(file, part.found);
    file_ = file;
    const Draft& draft = part.draft;
    whole_.complete = whole_.complete && draft.complete;
    whole_.expansion_left -= reading::most_expansion - draft.expansion_left;
    for (const reading::Declaration& declaration : draft.declared) check_identity(declaration);
    whole_.tiers.insert(draft.tiers.begin(), draft.tiers.end());
    whole_.namespaces.insert(draft.namespaces.begin(), draft.namespaces.end());
    whole_.profiles.insert(draft.profiles.begin(), draft.profiles.end());
    add_here(whole_.tiers_named, draft.tiers_named);
    add_here(whole_.namespaces_named, draft.namespaces_named);
    add_here(whole_.profiles_named, draft.profiles_named);
    add_here(whole_.host_claims, draft.host_claims);
    add_here(whole_.workload_claims, draft.workload_claims);
    add_inventory(draft);
  }

 private:
  [[nodiscard]] reading::Place here(reading::Place at) const {
    at.file = file_;
    return at;
  }

  template <class Placed>
  void add_here(std::vector<Placed>& all, const std::vector<Placed>& some) const {
    for (const Placed& placed : some) {
      all.push_back(placed);
      all.back().at.file = file_;
    }
  }

  /// Two resources of one identity are a mistake, wherever they lie.
  void check_identity(const reading::Declaration& declaration) {
    const reading::Place at = here(declaration.at);
    const auto [first, fresh] = declared_.emplace(declaration.identity, at);
    if (fresh) return;
    const reading::Identity& id = first->first;
    const std::string name = id.ns.empty() ? id.name : id.ns + "/" + id.name;
    const bool made = id.kind == "Profile" && (id.name.starts_with("kns.") || id.name.starts_with("ksa."));
    report_.error(at, "duplicate-resource",
                  fmt::format("{} {} is already written at {}", declaration.kind, reading::in_quotes(name),
                              to_string(report_.location(first->second))),
                  made ? "a Namespace or ServiceAccount is such a profile: leave one of the two out"
                       : "leave one of the two out, or give it another name");
  }

  void add_inventory(const Draft& draft) {
    const Inventory& some = draft.inventory;
    Inventory& all = whole_.inventory;
    for (const auto& policy : some.policies.elements()) all.policies.push_back(policy);
    for (const auto& set : some.network_sets.elements()) all.network_sets.push_back(set);
    all.host_endpoints.insert(all.host_endpoints.end(), some.host_endpoints.begin(), some.host_endpoints.end());
    all.workload_endpoints.insert(all.workload_endpoints.end(), some.workload_endpoints.begin(),
                                  some.workload_endpoints.end());
    all.profiles.insert(all.profiles.end(), some.profiles.begin(), some.profiles.end());
    for (const Tier& tier : some.tiers) {
      if (!tier.at.file.empty()) add_tier(tier);
    }
    for (const Service& service : some.services) add_service(draft, service);
    if (!some.settings.at.file.empty()) all.settings = some.settings;
  }

  /// A built-in tier that is written stays what it is.
  void add_tier(const Tier& tier) {
    std::vector<Tier>& tiers = whole_.inventory.tiers;
    const auto built_in = std::find_if(tiers.begin(), tiers.end(),
                                       [&](const Tier& t) { return t.name == tier.name && t.at.file.empty(); });
    if (built_in == tiers.end()) {
      tiers.push_back(tier);
    } else {
      built_in->at = tier.at;
    }
  }

  /// The slices of a service may lie in several files.
  void add_service(const Draft& draft, const Service& some) {
    Service& service = reading::service_named(whole_, some.ns, some.name, some.at);
    if (draft.services_written.contains({some.ns, some.name})) service.at = some.at;
    service.addresses.insert(service.addresses.end(), some.addresses.begin(), some.addresses.end());
    service.endpoints.insert(service.endpoints.end(), some.endpoints.begin(), some.endpoints.end());
  }

  Draft& whole_;
  Report& report_;
  std::map<reading::Identity, reading::Place> declared_;
  std::uint32_t file_ = 0;
};

}  // namespace

struct ParseMemo::Known {
  std::shared_ptr<const yaml::SourceFile> file;
  std::shared_ptr<const FilePart> part;
};
ParseMemo::ParseMemo() = default;
ParseMemo::~ParseMemo() = default;

Parsed parse(std::span<const yaml::SourceFile> files) {
  SharedList<yaml::SourceFile> borrowed;
  for (const yaml::SourceFile& file : files)
    borrowed.push_back(std::shared_ptr<const yaml::SourceFile>(std::shared_ptr<void>(), &file));
  ParseMemo memo;
  return parse(borrowed, memo);
}

Parsed parse(const SharedList<yaml::SourceFile>& files, ParseMemo& memo) {
  Report report(files);
  reading::SelectorTable selectors;
  Draft draft = built_in();
  Joining joining(draft, report);
  std::map<std::string, ParseMemo::Known> known;
  for (const std::uint32_t index : in_order_of_names(files)) {
    const auto& file = files.shared(index);
    const auto before = memo.files_.find(file->name);
    const std::shared_ptr<const FilePart> old = before == memo.files_.end() ? nullptr : before->second.part;
    const bool is_same = old != nullptr && (before->second.file == file || before->second.file->text == file->text);
    std::shared_ptr<const FilePart> part = old;
    if (!is_same) {
      FilePart fresh = read_file(*file, selectors, reading::most_expansion);
      if (old != nullptr) share(fresh.draft.inventory, old->draft.inventory);
      part = std::make_shared<const FilePart>(std::move(fresh));
    }
    known.insert_or_assign(file->name, ParseMemo::Known{file, part});
    if (reading::most_expansion - part->draft.expansion_left > draft.expansion_left) {  // all together are too many
      FilePart bounded = read_file(*file, selectors, draft.expansion_left);
      bounded.draft.expansion_left += reading::most_expansion - draft.expansion_left;
      part = std::make_shared<const FilePart>(std::move(bounded));
    }
    joining.add(*part, index);
  }
  memo.files_ = std::move(known);
  reading::cross_check(draft, report);
  return {std::move(draft.inventory), report.take()};
}

bool is_understood(const Diagnostics& diagnostics) {
  return std::all_of(diagnostics.begin(), diagnostics.end(), [](const Diagnostic& diagnostic) {
    return diagnostic.severity == Severity::warning || diagnostic.code == protocol_case_code;
  });
}

}  // namespace drywall
