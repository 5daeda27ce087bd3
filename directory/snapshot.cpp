// SPDX-License-Identifier: GPL-2.0-or-later
#include "directory/snapshot.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "directory/descriptor.h"
#include "directory/directory.h"
#include "directory/sha256.h"

namespace drywall {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

constexpr int snapshot_format = 2;  // 1 had no batch
constexpr std::size_t most_manifest_bytes = 16U << 20U;
constexpr std::size_t most_batch_bytes = 1U << 30U;
constexpr std::size_t most_file_bytes = DirectoryLimits{}.file_bytes;

/// The names in the directory are numbers: what users call their files is in the manifest alone and leads nowhere.
std::string stored_name(std::size_t index) {
  return fmt::format("{:06}.yaml", index);
}

Result<void> sync_directory(const std::string& path) {
  const Descriptor fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || fsync(fd.get()) != 0) return tl::unexpected(Failure{"sync", path, errno, {}});
  return {};
}

Result<void> make_directory(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0) return tl::unexpected(Failure{"create", path, errno, {}});
  return {};
}

Result<void> write_file(const std::string& path, std::string_view text) {
  const Descriptor fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return tl::unexpected(Failure{"create", path, errno, {}});
  while (!text.empty()) {
    const ssize_t written = write(fd.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return tl::unexpected(Failure{"write", path, errno, {}});
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (fsync(fd.get()) != 0) return tl::unexpected(Failure{"sync", path, errno, {}});
  return {};
}

Json entry_of(const yaml::SourceFile& file) {
  return {{"name", file.name}, {"sha256", sha256(file.text)}};
}

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string manifest_of(const Snapshot& snapshot, std::span<const std::byte> batch) {
  Json files = Json::array();
  Sha256 total;
  for (const yaml::SourceFile& file : snapshot.files) {
    Json entry = entry_of(file);
    total.add(entry["sha256"].get<std::string>());
    files.push_back(std::move(entry));
  }
  const Json manifest{{"format", snapshot_format},
                      {"generation", snapshot.generation},
                      {"applied_at_us", snapshot.applied_at.time_since_epoch().count()},
                      {"rendering_sha256", snapshot.rendering},
                      {"files", std::move(files)},
                      {"files_sha256", total.hex()},
                      {"config", snapshot.config ? entry_of(*snapshot.config) : Json(nullptr)},
                      {"batch_sha256", batch.empty() ? Json(nullptr) : Json(sha256(text_of(batch)))}};
  return manifest.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<void> write_snapshot(const std::string& directory, const Snapshot& snapshot, std::span<const std::byte> batch) {
  const std::string policies = directory + "/policy.d";
  if (Result<void> made = make_directory(directory); !made) return made;
  if (Result<void> made = make_directory(policies); !made) return made;
  for (std::size_t i = 0; i < snapshot.files.size(); ++i) {
    Result<void> written = write_file(policies + '/' + stored_name(i), snapshot.files[i].text);
    if (!written) return written;
  }
  if (snapshot.config) {
    Result<void> written = write_file(directory + "/drywall.yaml", snapshot.config->text);
    if (!written) return written;
  }
  if (!batch.empty()) {
    Result<void> written = write_file(directory + "/ruleset.batch", text_of(batch));
    if (!written) return written;
  }
  if (Result<void> synced = sync_directory(policies); !synced) return synced;
  Result<void> written = write_file(directory + "/manifest.json", manifest_of(snapshot, batch));
  if (!written) return written;
  return sync_directory(directory);
}

/// Puts `fresh` in the place of `place`, which may not exist; what was there goes to the name `fresh` had, or is gone.
Result<void> put_in_place(const std::string& fresh, const std::string& place) {
  if (renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, place.c_str(), RENAME_EXCHANGE) == 0) return {};
  const int error = errno;
  if (error != ENOENT) {  // a file system that cannot exchange: load_snapshot knows the name of the moment between
    const std::string old = place + ".old";
    std::error_code ignored;
    fs::remove_all(old, ignored);
    if (rename(place.c_str(), old.c_str()) != 0 && errno != ENOENT) {
      return tl::unexpected(Failure{"rename", place, errno, {}});
    }
  }
  if (rename(fresh.c_str(), place.c_str()) != 0) return tl::unexpected(Failure{"rename", fresh, errno, {}});
  return {};
}

Failure damaged(const std::string& path, const std::string& what) {
  const std::string_view kept = path.find("/last-good") == std::string::npos ? "/previous" : "/last-good";
  const std::string last_good = path.substr(0, path.rfind(kept) + kept.size());
  return {"read", path, 0,
          fmt::format("{}; to do without it: rm -r {} && systemctl restart drywalld", what, last_good)};
}

struct Manifest {
  std::string directory;
  Json json;
};

/// 0 if that is no manifest.
std::int64_t format_of(const Json& json) {
  const auto format = json.is_object() ? json.find("format") : json.end();
  return format != json.end() && format->is_number_integer() ? format->get<std::int64_t>() : 0;
}

Failure newer(std::string operation, const std::string& path, std::int64_t format) {
  Failure failure =
      damaged(path, fmt::format("a newer Drywall wrote it (format {}, this one knows {}): install that again", format,
                                snapshot_format));
  failure.operation = std::move(operation);
  return failure;
}

/// JSON of a format that this program knows.
Result<std::optional<Manifest>> read_manifest_in(const std::string& directory) {
  const std::string path = directory + "/manifest.json";
  const Result<std::string> text = read_file(path, most_manifest_bytes);
  if (!text && text.error().error == ENOENT) return std::optional<Manifest>{};
  if (!text) return tl::unexpected(text.error());
  Json json = Json::parse(*text, nullptr, false);
  if (!json.is_object()) return tl::unexpected(damaged(path, "it is not a JSON object"));
  const std::int64_t format = format_of(json);
  if (format > snapshot_format) return tl::unexpected(newer("read", path, format));
  if (format < 1) return tl::unexpected(damaged(path, "it has no format"));
  return Manifest{directory, std::move(json)};
}

/// Calls `read` with the manifest; the JSON library throws where a value has another type than asked for.
template <class Read>
auto with_manifest(const std::string& state_dir, Saved which, const Read& read)
    -> decltype(read(std::declval<Manifest>())) {
  const std::string place = state_dir + (which == Saved::previous ? "/previous" : "/last-good");
  try {
    Result<std::optional<Manifest>> manifest = read_manifest_in(place);
    if (manifest && !*manifest) manifest = read_manifest_in(place + ".old");
    if (!manifest) return tl::unexpected(manifest.error());
    if (!*manifest) return {};
    return read(**manifest);
  } catch (const Json::exception&) {
    return tl::unexpected(damaged(place + "/manifest.json", "it is not what was saved"));
  }
}

/// A stored file, checked against its hash.
Result<std::string> read_checked(const std::string& path, std::size_t limit, const std::string& hash) {
  Result<std::string> text = read_file(path, limit);
  if (text && hash != sha256(*text)) return tl::unexpected(damaged(path, "it is not what was saved"));
  return text;
}

Result<yaml::SourceFile> read_entry(const Json& entry, const std::string& path) {
  Result<std::string> text = read_checked(path, most_file_bytes, entry.at("sha256").get<std::string>());
  if (!text) return tl::unexpected(text.error());
  return yaml::SourceFile{entry.value("name", ""), std::move(*text)};
}

Result<std::optional<Snapshot>> read_snapshot(const Manifest& manifest) {
  const auto& [directory, json] = manifest;
  Snapshot snapshot;
  snapshot.generation = json.value("generation", std::uint64_t{0});
  snapshot.applied_at =
      decltype(snapshot.applied_at)(std::chrono::microseconds(json.value("applied_at_us", std::int64_t{0})));
  snapshot.rendering = json.value("rendering_sha256", "");
  const Json files = json.value("files", Json::array());
  for (std::size_t i = 0; i < files.size(); ++i) {
    Result<yaml::SourceFile> file = read_entry(files.at(i), directory + "/policy.d/" + stored_name(i));
    if (!file) return tl::unexpected(file.error());
    snapshot.files.push_back(std::move(*file));
  }
  if (const Json config = json.value("config", Json()); config.is_object()) {
    Result<yaml::SourceFile> file = read_entry(config, directory + "/drywall.yaml");
    if (!file) return tl::unexpected(file.error());
    snapshot.config = std::move(*file);
  }
  return snapshot;
}

Result<std::optional<SavedBatch>> read_batch(const Manifest& manifest) {
  const Json hash = manifest.json.value("batch_sha256", Json());
  if (hash.is_null()) return std::optional<SavedBatch>{};
  const Result<std::string> text =
      read_checked(manifest.directory + "/ruleset.batch", most_batch_bytes, hash.get<std::string>());
  if (!text) return tl::unexpected(text.error());
  const auto* const begin = reinterpret_cast<const std::byte*>(text->data());
  return SavedBatch{manifest.json.value("generation", std::uint64_t{0}),
                    manifest.json.value("rendering_sha256", ""),
                    {begin, begin + text->size()}};
}

/// Nothing that a newer program saved is lost to this one.
Result<void> may_replace(const std::string& place) {
  const std::string path = place + "/manifest.json";
  const Result<std::string> text = read_file(path, most_manifest_bytes);
  const std::int64_t format = text ? format_of(Json::parse(*text, nullptr, false)) : 0;
  if (format > snapshot_format) return tl::unexpected(newer("replace", path, format));
  return {};
}

/// Names and hashes of what was saved there; null if nothing was.
Json files_in(const std::string& directory) {
  const Result<std::optional<Manifest>> manifest = read_manifest_in(directory);
  return manifest && *manifest ? (*manifest)->json.value("files", Json::array()) : Json();
}

}  // namespace

Result<void> save_snapshot(const std::string& state_dir, const Snapshot& snapshot, std::span<const std::byte> batch) {
  const std::string place = state_dir + "/last-good";
  const std::string fresh = place + ".new";
  if (Result<void> may = may_replace(place); !may) return may;
  std::error_code error;
  fs::remove_all(fresh, error);
  if (error) return tl::unexpected(Failure{"remove", fresh, error.value(), {}});
  if (Result<void> written = write_snapshot(fresh, snapshot, batch); !written) return written;
  if (Result<void> put = put_in_place(fresh, place); !put) return put;
  for (const std::string& replaced : {fresh, place + ".old"}) {
    if (files_in(replaced) != Json() && files_in(replaced) != files_in(place)) {
      const std::string previous = state_dir + "/previous";
      fs::remove_all(previous, error);
      fs::rename(replaced, previous, error);
    }
    fs::remove_all(replaced, error);
  }
  return sync_directory(state_dir);
}

Result<std::optional<Snapshot>> load_snapshot(const std::string& state_dir, Saved which) {
  return with_manifest(state_dir, which, read_snapshot);
}

Result<std::optional<SavedBatch>> load_batch(const std::string& state_dir, Saved which) {
  return with_manifest(state_dir, which, read_batch);
}

}  // namespace drywall
