// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/edit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>

#include "policy/yaml_edit.h"

namespace drywall {
namespace {

using yaml::Node;
using yaml::Page;

constexpr std::array editable_kinds{
    PolicyKind::global_network_policy,     PolicyKind::network_policy,
    PolicyKind::kubernetes_network_policy, PolicyKind::staged_global_network_policy,
    PolicyKind::staged_network_policy,     PolicyKind::staged_kubernetes_network_policy};

std::string_view api_of(PolicyKind kind) {
  return kind == PolicyKind::kubernetes_network_policy ? "networking.k8s.io/v1" : "projectcalico.org/v3";
}

std::optional<PolicyKind> staged_kind(PolicyKind kind) {
  const auto found = std::ranges::find_if(
      editable_kinds, [&](PolicyKind staged) { return is_staged(staged) && enforced_kind(staged) == kind; });
  return found == editable_kinds.end() ? std::nullopt : std::optional(*found);
}

std::string_view text_of(const Node* node) {
  return node == nullptr ? std::string_view{} : std::string_view(node->text);
}

std::optional<PolicyId> policy_in(const Node& resource) {
  const std::string_view kind = text_of(resource.find("kind"));
  const std::string_view api = text_of(resource.find("apiVersion"));
  const auto known = std::ranges::find_if(
      editable_kinds, [&](PolicyKind editable) { return file_kind(editable) == kind && api_of(editable) == api; });
  const Node* metadata = resource.find("metadata");
  if (known == editable_kinds.end() || metadata == nullptr) return std::nullopt;
  const bool is_global = enforced_kind(*known) == PolicyKind::global_network_policy;
  const std::string_view ns = is_global ? "" : text_of(metadata->find("namespace"));
  return PolicyId{*known, std::string(is_global || !ns.empty() ? ns : "default"),
                  std::string(text_of(metadata->find("name")))};
}

/// A resource: a document, or an item of a list.
struct Found {
  std::string file;
  yaml::Address at;
};

std::size_t index_of(const Node& mapping, std::string_view key) {
  const auto found = std::ranges::find_if(mapping.entries, [&](const auto& entry) { return entry.first.text == key; });
  return static_cast<std::size_t>(found - mapping.entries.begin());
}

const Node& node_at(const Page& page, const yaml::Address& at) {
  const Node* node = &page.roots[at.root];
  for (const std::size_t step : at.steps) {
    node = node->type == yaml::Type::mapping ? &node->entries[step].second : &node->items[step];
  }
  return *node;
}

using Pages = std::map<std::string, std::optional<Page>>;  // nothing: the file is gone

template <class See>
void see_policies(const std::string& file, const Page& page, const See& see) {
  for (std::size_t root = 0; root < page.roots.size(); ++root) {
    const Node& node = page.roots[root];
    const Node* items = text_of(node.find("kind")).ends_with("List") ? node.find("items") : nullptr;
    if (items == nullptr) {
      if (auto id = policy_in(node)) see(*id, Found{file, {root, {}}});
      continue;
    }
    for (std::size_t i = 0; i < items->items.size(); ++i) {
      if (auto id = policy_in(items->items[i])) see(*id, Found{file, {root, {index_of(node, "items"), i}}});
    }
  }
}

/// The files as they are being edited, one change after the other.
class Editing {
 public:
  explicit Editing(std::span<const yaml::SourceFile> files) : files_(files) {
    for (const yaml::SourceFile& file : files) {
      pages_[file.name] = yaml::read_page(file.text);
      note(file.name);
    }
    for (const auto& [id, found] : places_) lines_[id] = place_of(found);
  }

  [[nodiscard]] const Found* find(const PolicyId& id) const {
    const auto found = places_.find(id);
    return found == places_.end() ? nullptr : &found->second;
  }
  [[nodiscard]] const Node& resource(const Found& found) const { return node_at(*pages_.at(found.file), found.at); }

  void refuse(const PolicyId& id, std::string code, std::string message, std::string help) {
    const auto line = lines_.find(id);
    const SourceLocation at = line == lines_.end() ? SourceLocation{} : line->second;
    refusals_.push_back({at, 1, Severity::error, std::move(code), std::move(message), std::move(help), line_text(at)});
  }

  /// The policy becomes one of another kind.
  void change_kind(const PolicyId& id, PolicyKind kind) {
    const Found found = *find(id);  // scalars of other texts move nothing
    if (api_of(id.kind) != api_of(kind)) write(id, found, "apiVersion", api_of(kind));
    write(id, found, "kind", file_kind(kind));
  }

  /// Out of the spec, if it is there.
  void drop(const PolicyId& id, std::string_view key) {
    const Found found = *find(id);
    const Node* spec = resource(found).find("spec");
    if (spec == nullptr || spec->find(key) == nullptr) return;
    yaml::Address at = found.at;
    at.steps.insert(at.steps.end(), {index_of(resource(found), "spec"), index_of(*spec, key)});
    if (take(found.file, yaml::without_value(*pages_.at(found.file), at))) return;
    refuse_text(id, fmt::format("remove \"{}\" by hand first, and reload", key));
  }

  void remove(const PolicyId& id) {
    const Found found = *find(id);
    const Page& page = *pages_.at(found.file);
    const bool is_item = !found.at.steps.empty();
    const bool is_last_item = is_item && page.roots[found.at.root].entries[found.at.steps[0]].second.items.size() == 1;
    auto edited =
        is_item && !is_last_item ? yaml::without_value(page, found.at) : yaml::without_document(page, found.at.root);
    if (!take(found.file, std::move(edited))) refuse_text(id, "remove this policy by hand first, and reload");
  }

  [[nodiscard]] Edited result() const {
    Edited edited;
    edited.refusals = refusals_;
    if (!edited.refusals.empty()) {
      sort_diagnostics(edited.refusals);
      return edited;
    }
    for (const yaml::SourceFile& file : files_) {
      const std::optional<Page>& page = pages_.at(file.name);
      if (!page) {
        edited.edits.push_back({file.name, file.text, std::nullopt});
      } else if (page->text != file.text) {
        edited.edits.push_back({file.name, file.text, page->text});
      }
    }
    return edited;
  }

 private:
  [[nodiscard]] SourceLocation place_of(const Found& found) const {
    const Node& node = resource(found);
    const Node* kind = node.find("kind");
    return {found.file, kind == nullptr ? node.line : kind->line, kind == nullptr ? node.column : kind->column};
  }

  [[nodiscard]] std::string line_text(const SourceLocation& at) const {
    const auto file = std::ranges::find(files_, at.file, &yaml::SourceFile::name);
    return file == files_.end() ? std::string{} : std::string(yaml::line_of(file->text, at.line));
  }

  void refuse_text(const PolicyId& id, std::string help) {
    refuse(id, "cannot-edit", fmt::format("the text of {} cannot be changed without changing more", to_string(id)),
           std::move(help));
  }

  void write(const PolicyId& id, const Found& found, std::string_view key, std::string_view value) {
    yaml::Address at = found.at;
    at.steps.push_back(index_of(resource(found), key));
    if (take(found.file, yaml::with_scalar(*pages_.at(found.file), at, std::string(value)))) return;
    refuse_text(id, fmt::format("write \"{}: {}\" there by hand, and reload", key, value));
  }

  bool take(const std::string& file, std::optional<Page> edited) {
    if (!edited) return false;
    std::erase_if(places_, [&](const auto& place) { return place.second.file == file; });
    pages_[file] = edited->roots.empty() ? std::nullopt : std::move(edited);
    note(file);
    return true;
  }

  void note(const std::string& file) {
    const std::optional<Page>& page = pages_.at(file);
    if (!page) return;
    see_policies(file, *page, [&](const PolicyId& id, Found found) { places_.insert_or_assign(id, std::move(found)); });
  }

  std::span<const yaml::SourceFile> files_;
  Pages pages_;
  std::map<PolicyId, Found> places_;
  std::map<PolicyId, SourceLocation> lines_;  // in the files as they were
  Diagnostics refusals_;
};

PolicyId of_kind(const PolicyId& id, PolicyKind kind) {
  return {kind, id.ns, id.name};
}

void promote_one(Editing& editing, const PolicyId& id) {
  const Found* found = editing.find(id);
  if (found == nullptr) return editing.refuse(id, "unknown-policy", fmt::format("there is no {}", to_string(id)), {});
  if (!is_staged(id.kind)) {
    return editing.refuse(id, "not-staged", fmt::format("{} is enforced already", to_string(id)), {});
  }
  const Node* spec = editing.resource(*found).find("spec");
  const std::string action(spec == nullptr ? "" : text_of(spec->find("stagedAction")));
  if (action == "Learn") {
    return editing.refuse(id, "learning", fmt::format("{} is learning: it is not meant to be enforced", to_string(id)),
                          "write \"stagedAction: Set\" when it has learned enough");
  }
  if (action == "Ignore") {
    return editing.refuse(id, "ignored",
                          fmt::format("{} is ignored: nothing is known of what it would do", to_string(id)),
                          "write \"stagedAction: Set\", and see what it would do");
  }
  const PolicyId enforced = of_kind(id, enforced_kind(id.kind));
  if (editing.find(enforced) != nullptr) editing.remove(enforced);
  if (action == "Delete") return editing.remove(id);
  editing.drop(id, "stagedAction");
  editing.change_kind(id, enforced.kind);
}

void demote_one(Editing& editing, const PolicyId& id) {
  const std::optional<PolicyKind> staged = staged_kind(id.kind);
  if (is_staged(id.kind)) {
    return editing.refuse(id, "staged", fmt::format("{} is staged already", to_string(id)), {});
  }
  if (!staged) {
    return editing.refuse(id, "cannot-be-staged", fmt::format("a {} cannot be staged", file_kind(id.kind)),
                          "remove it, or leave it as it is");
  }
  if (editing.find(id) == nullptr) {
    return editing.refuse(id, "unknown-policy", fmt::format("there is no {}", to_string(id)), {});
  }
  const PolicyId there = of_kind(id, *staged);
  if (editing.find(there) != nullptr) {
    return editing.refuse(there, "staged", fmt::format("{} stands beside it already", to_string(there)),
                          "remove one of the two by hand first");
  }
  editing.change_kind(id, *staged);
}

template <class One>
Edited edit(std::span<const yaml::SourceFile> files, std::span<const PolicyId> policies, const One& one) {
  Editing editing(files);
  for (const PolicyId& id : policies) one(editing, id);
  return editing.result();
}

}  // namespace

Edited promote(std::span<const yaml::SourceFile> files, std::span<const PolicyId> policies) {
  return edit(files, policies, promote_one);
}

Edited demote(std::span<const yaml::SourceFile> files, std::span<const PolicyId> policies) {
  return edit(files, policies, demote_one);
}

}  // namespace drywall
