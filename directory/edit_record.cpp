// SPDX-License-Identifier: GPL-2.0-or-later
#include "directory/edit_record.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string_view>

#include "directory/descriptor.h"
#include "directory/durable.h"
#include "directory/sha256.h"

namespace drywall {
namespace {

using Json = nlohmann::json;
using std::chrono::microseconds;

constexpr int record_format = 1;
constexpr std::size_t sha256_digits = 64;
constexpr std::size_t most_record_bytes = 600U << 20U;  // twice all that a policy directory may hold, and names
constexpr int most_attempts = 20;                       // to see a directory that nobody is writing
constexpr std::array phases{EditPhase::writing, EditPhase::written, EditPhase::undoing, EditPhase::done};

// Gone with each boot. The kernel's own id may look otherwise to a service with a /proc of its own: in containers it
// does.
constexpr const char* boot_mark = "/run/drywall/boot";

/// Where drywalld has its runtime directory, this boot gets an id that everybody sees alike.
void mark_boot() {
  const Descriptor fd(open(boot_mark, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!fd) return;  // there is one, or no such directory: then the kernel's id must do
  std::array<unsigned char, 16> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) return;
  std::string text;
  for (const unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
  std::ignore = write(fd.get(), text.data(), text.size());
  std::ignore = fchmod(fd.get(), 0644);
}

std::string record_path(const std::string& state_dir) {
  return edit_directory(state_dir) + "/record";
}

Failure damaged_record(const std::string& state_dir, std::string detail) {
  return {"read", record_path(state_dir), 0, std::move(detail)};
}

Json hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

std::string from_hex(const std::string& digits) {
  std::string out;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    out += static_cast<char>(std::strtoul(digits.substr(i, 2).c_str(), nullptr, 16));
  }
  return out;
}

/// Texts and names follow the document, byte by byte: they may be anything.
Json document_of(const EditedFile& file) {
  const auto size = [](const std::optional<std::string>& text) { return text ? Json(text->size()) : Json(nullptr); };
  Json attributes = Json::array();
  for (const auto& [name, value] : file.traits.attributes) attributes.push_back({hex(name), hex(value)});
  return {{"name", file.name.size()}, {"before", size(file.before)}, {"after", size(file.after)},
          {"mode", file.traits.mode}, {"uid", file.traits.uid},      {"gid", file.traits.gid},
          {"attributes", attributes}};
}

Json document_of(const Confirmation& confirmation) {
  Json daemon = Json::array();
  for (const std::string& word : confirmation.daemon) daemon.push_back(hex(word));
  return {{"boot", confirmation.boot},
          {"deadline_us", confirmation.deadline.count()},
          {"deadline_utc", confirmation.deadline_utc.time_since_epoch().count()},
          {"in_force_us", confirmation.in_force ? Json(confirmation.in_force->count()) : Json(nullptr)},
          {"daemon", daemon}};
}

std::string text_of(const EditRecord& record) {
  Json files = Json::array();
  std::string bytes;
  for (const EditedFile& file : record.files) {
    files.push_back(document_of(file));
    bytes += file.name + file.before.value_or("") + file.after.value_or("");
  }
  const Json document{{"format", record_format},
                      {"id", record.id},
                      {"verb", record.verb},
                      {"by", hex(record.by)},
                      {"directory", hex(record.directory)},
                      {"phase", to_string(record.phase)},
                      {"outcome", record.outcome},
                      {"confirmation", record.confirmation ? document_of(*record.confirmation) : Json(nullptr)},
                      {"files", files}};
  const std::string text = document.dump() + "\n" + bytes;
  return sha256(text) + "\n" + text;
}

class BlobReader {
 public:
  explicit BlobReader(std::string_view bytes) : left_(bytes) {}
  std::string take(const Json& size) {
    const auto count = std::min<std::size_t>(size.get<std::size_t>(), left_.size());
    std::string out(left_.substr(0, count));
    left_.remove_prefix(count);
    return out;
  }
  std::optional<std::string> take_if(const Json& size) {
    return size.is_null() ? std::nullopt : std::optional(take(size));
  }

 private:
  std::string_view left_;
};

EditedFile file_from(const Json& document, BlobReader& blobs) {
  EditedFile file;
  file.name = blobs.take(document.at("name"));
  file.before = blobs.take_if(document.at("before"));
  file.after = blobs.take_if(document.at("after"));
  file.traits = {document.at("mode"), document.at("uid"), document.at("gid"), {}};
  for (const Json& pair : document.at("attributes")) {
    file.traits.attributes.emplace_back(from_hex(pair.at(0)), from_hex(pair.at(1)));
  }
  return file;
}

Confirmation confirmation_from(const Json& document) {
  Confirmation confirmation;
  confirmation.boot = document.at("boot");
  confirmation.deadline = microseconds(document.at("deadline_us").get<std::int64_t>());
  confirmation.deadline_utc =
      std::chrono::sys_seconds(std::chrono::seconds(document.at("deadline_utc").get<std::int64_t>()));
  if (const Json& in_force = document.at("in_force_us"); !in_force.is_null()) {
    confirmation.in_force = microseconds(in_force.get<std::int64_t>());
  }
  for (const Json& word : document.at("daemon")) confirmation.daemon.push_back(from_hex(word));
  return confirmation;
}

/// Throws what the JSON library throws.
EditRecord record_from(const Json& document, std::string_view bytes) {
  EditRecord record;
  record.id = document.at("id");
  record.verb = document.at("verb");
  record.by = from_hex(document.at("by"));
  record.directory = from_hex(document.at("directory"));
  const std::string phase = document.at("phase");
  record.phase = *std::ranges::find(phases, phase, [](EditPhase p) { return to_string(p); });
  record.outcome = document.at("outcome");
  if (const Json& confirmation = document.at("confirmation"); !confirmation.is_null()) {
    record.confirmation = confirmation_from(confirmation);
  }
  BlobReader blobs(bytes);
  for (const Json& file : document.at("files")) record.files.push_back(file_from(file, blobs));
  return record;
}

std::string real_path(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(realpath(path.c_str(), nullptr), &std::free);
  return real ? std::string(real.get()) : path;
}

/// The directory as if nothing of the edit had been written.
void take_back(const EditRecord& record, const std::string& path, DirectoryContents& contents) {
  const std::string prefix = path.ends_with('/') ? path : path + "/";
  const auto is_edited = [&](const std::string& name) {
    return std::ranges::any_of(record.files, [&](const EditedFile& file) { return prefix + file.name == name; });
  };
  SharedList<yaml::SourceFile> files;
  for (std::size_t i = 0; i < contents.files.size(); ++i) {
    if (!is_edited(contents.files[i].name)) files.push_back(contents.files.shared(i));
  }
  for (const EditedFile& file : record.files) {
    if (file.before && is_policy_file_name(file.name)) {
      files.push_back(yaml::SourceFile{prefix + file.name, *file.before});
    }
  }
  files.sort([](const yaml::SourceFile& x, const yaml::SourceFile& y) { return x.name < y.name; });
  contents.files = std::move(files);
  std::erase_if(contents.diagnostics, [&](const Diagnostic& d) { return is_edited(d.at.file); });
}

}  // namespace

BootTime boot_time() {
  BootTime now;
  if (geteuid() == 0) mark_boot();
  if (!(std::ifstream(boot_mark) >> now.boot)) std::ifstream("/proc/sys/kernel/random/boot_id") >> now.boot;
  timespec time{};
  clock_gettime(CLOCK_BOOTTIME, &time);
  now.at = std::chrono::duration_cast<microseconds>(std::chrono::seconds(time.tv_sec) +
                                                    std::chrono::nanoseconds(time.tv_nsec));
  return now;
}

std::string_view to_string(EditPhase phase) {
  switch (phase) {
    case EditPhase::writing:
      return "writing";
    case EditPhase::written:
      return "written";
    case EditPhase::undoing:
      return "undoing";
    case EditPhase::done:
      return "done";
  }
  return {};
}

std::string edit_directory(const std::string& state_dir) {
  return state_dir + "/edit";
}

std::string new_edit_id() {
  std::array<char, 16> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) std::abort();
  return hex({bytes.data(), bytes.size()});
}

Result<std::optional<EditRecord>> read_edit_record(const std::string& state_dir) {
  const Result<std::string> text = read_file(record_path(state_dir), most_record_bytes);
  if (!text && text.error().error == ENOENT) return std::optional<EditRecord>{};
  if (!text) return tl::unexpected(text.error());
  const std::string_view all = *text;
  const std::string_view signed_part = all.substr(std::min(all.size(), sha256_digits + 1));
  if (all.substr(0, sha256_digits) != sha256(signed_part)) {
    return tl::unexpected(damaged_record(state_dir, "it is not what was written"));
  }
  const std::size_t line = std::min(signed_part.find('\n'), signed_part.size() - 1);
  const Json document = Json::parse(signed_part.substr(0, line), nullptr, false);
  try {  // the JSON library throws where a value is missing or of another type
    if (document.at("format") != record_format) {
      return tl::unexpected(damaged_record(state_dir, fmt::format("it is not of format {}", record_format)));
    }
    return record_from(document, signed_part.substr(line + 1));
  } catch (const Json::exception&) {
    return tl::unexpected(damaged_record(state_dir, "it is not what was written"));
  }
}

Result<void> write_edit_record(const std::string& state_dir, const EditRecord& record) {
  const std::string place = edit_directory(state_dir);
  const Descriptor directory(open(place.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!directory) return tl::unexpected(Failure{"open", place, errno, {}});
  FileTraits traits;
  traits.uid = geteuid();
  traits.gid = getegid();
  return replace_durably(directory.get(), place, "record", text_of(record), traits);
}

bool is_armed(const EditRecord& record) {
  return record.phase == EditPhase::written && record.confirmation;
}

bool is_due(const EditRecord& record, const BootTime& now) {
  if (!record.confirmation) return false;
  return record.confirmation->boot != now.boot || now.at >= record.confirmation->deadline;
}

bool is_before_in_force(const EditRecord& record, const BootTime& now) {
  switch (record.phase) {
    case EditPhase::writing:
    case EditPhase::undoing:
      return true;
    case EditPhase::written:
      return is_due(record, now);
    case EditPhase::done:
      return false;
  }
  return false;
}

EffectiveDirectory read_effective_directory(const std::string& path, const std::string& state_dir) {
  DirectoryMemo nothing_known;
  return read_effective_directory(path, state_dir, nothing_known);
}

EffectiveDirectory read_effective_directory(const std::string& path, const std::string& state_dir,
                                            DirectoryMemo& memo) {
  EffectiveDirectory effective;
  Result<std::optional<EditRecord>> record = read_edit_record(state_dir);
  for (int attempt = 0; attempt < most_attempts && record; ++attempt) {
    effective.contents = read_directory(path, {}, memo);
    Result<std::optional<EditRecord>> again = read_edit_record(state_dir);
    const bool is_same = again && again->has_value() == record->has_value() &&
                         (!*again || ((*again)->id == (*record)->id && (*again)->phase == (*record)->phase));
    record = std::move(again);
    if (is_same) break;  // nobody wrote files while they were read
  }
  if (!record) {
    effective.contents.diagnostics.push_back({{record.error().object, 0, 0},
                                              1,
                                              Severity::error,
                                              "edit-record",
                                              to_string(record.error()),
                                              "drywall recover says what can be done",
                                              {}});
    return effective;
  }
  if (!*record || (*record)->directory != real_path(path)) return effective;
  effective.record = std::move(**record);
  if (is_before_in_force(*effective.record, boot_time())) take_back(*effective.record, path, effective.contents);
  return effective;
}

}  // namespace drywall
