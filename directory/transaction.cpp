// SPDX-License-Identifier: GPL-2.0-or-later
#include "directory/transaction.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

namespace drywall {
namespace {

constexpr std::size_t most_attribute_bytes = 64U << 10U;  // the kernel's own limit

std::string owner_name(std::uint32_t uid) {
  const passwd* const user = getpwuid(uid);
  return user == nullptr ? fmt::format("uid {}", uid) : fmt::format("{} (uid {})", user->pw_name, uid);
}

bool is_ours(std::uint32_t uid) {
  return uid == 0 || uid == geteuid();
}

/// One that is no link itself: what is written to it goes where its name says.
Result<Descriptor> open_unlinked_directory(const std::string& path) {
  Descriptor directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!directory) return tl::unexpected(Failure{"open", path, errno, {}});
  return directory;
}

/// The text of a file that is no link; nothing: there is none.
Result<std::optional<std::string>> text_in(int directory, const std::string& directory_name, const std::string& name) {
  const std::string path = directory_name + '/' + name;
  const Descriptor fd(openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  if (!fd && errno == ENOENT) return std::optional<std::string>{};
  if (!fd) {
    return tl::unexpected(Failure{"open", path, errno == ELOOP ? 0 : errno, errno == ELOOP ? "it is a link" : ""});
  }
  Result<std::string> text = read_file(fmt::format("/proc/self/fd/{}", fd.get()), DirectoryLimits{}.file_bytes);
  if (!text) return tl::unexpected(Failure{"read", path, text.error().error, text.error().detail});
  return std::optional(std::move(*text));
}

Result<FileTraits> traits_of(int directory, const std::string& directory_name, const std::string& name) {
  const std::string path = directory_name + '/' + name;
  const Descriptor fd(openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  struct stat status {};
  if (!fd || fstat(fd.get(), &status) != 0) return tl::unexpected(Failure{"open", path, errno, {}});
  if (!is_ours(status.st_uid)) {
    return tl::unexpected(Failure{"edit", path, 0, "it belongs to " + owner_name(status.st_uid)});
  }
  FileTraits traits{status.st_mode & 07777U, status.st_uid, status.st_gid, {}};
  std::string names(most_attribute_bytes, '\0');
  const ssize_t size = flistxattr(fd.get(), names.data(), names.size());
  if (size < 0 && errno == ENOTSUP) return traits;
  if (size < 0) return tl::unexpected(Failure{"list the attributes of", path, errno, {}});
  for (std::size_t at = 0; at < static_cast<std::size_t>(size); at += traits.attributes.back().first.size() + 1) {
    const char* const attribute = names.c_str() + at;
    std::string value(most_attribute_bytes, '\0');
    const ssize_t length = fgetxattr(fd.get(), attribute, value.data(), value.size());
    if (length < 0) return tl::unexpected(Failure{"read the attributes of", path, errno, {}});
    value.resize(static_cast<std::size_t>(length));
    traits.attributes.emplace_back(attribute, std::move(value));
  }
  return traits;
}

enum class Side : std::uint8_t { before, after };

const std::optional<std::string>& text_of(const EditedFile& file, Side side) {
  return side == Side::before ? file.before : file.after;
}

/// Writes one file as it is on that side of the edit.
///   returns  true if something else was there than the edit knows: it is saved beside it, when going back
Result<bool> put_file(int directory, const std::string& directory_name, const EditedFile& file, Side side) {
  const std::optional<std::string>& text = text_of(file, side);
  const Result<std::optional<std::string>> there = text_in(directory, directory_name, file.name);
  if (there && *there == text) return false;
  const bool is_known = there && *there == text_of(file, side == Side::before ? Side::after : Side::before);
  if (!is_known && side == Side::after) {
    if (!there) return tl::unexpected(there.error());
    return tl::unexpected(Failure{"edit", directory_name + '/' + file.name, 0, "it was changed meanwhile"});
  }
  if (!is_known) {
    const std::string saved = file.name + ".drywall-saved";
    if (renameat(directory, file.name.c_str(), directory, saved.c_str()) != 0 && errno != ENOENT) {
      return tl::unexpected(Failure{"rename", directory_name + '/' + file.name, errno, {}});
    }
  }
  const Result<void> put = text ? replace_durably(directory, directory_name, file.name, *text, file.traits)
                                : remove_durably(directory, directory_name, file.name);
  if (!put) return tl::unexpected(put.error());
  return !is_known;
}

Result<std::vector<std::string>> put_files(const EditRecord& record, Side side) {
  const Result<Descriptor> directory = open_unlinked_directory(record.directory);
  if (!directory) return tl::unexpected(directory.error());
  std::vector<std::string> saved;
  for (const EditedFile& file : record.files) {
    const Result<bool> put = put_file(directory->get(), record.directory, file, side);
    if (!put) return tl::unexpected(put.error());
    if (*put) saved.push_back(file.name);
    unlinkat(directory->get(), unfinished_name(file.name).c_str(), 0);  // of a writer that died
  }
  return saved;
}

Result<void> set_phase(const std::string& state_dir, EditRecord& record, EditPhase phase) {
  record.phase = phase;
  return write_edit_record(state_dir, record);
}

/// Believed is only what root or this user wrote: it says what to write where.
Result<void> check_owner(const std::string& state_dir) {
  const std::string path = edit_directory(state_dir) + "/record";
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0 || is_ours(status.st_uid)) return {};
  return tl::unexpected(Failure{"believe", path, 0, "it belongs to " + owner_name(status.st_uid)});
}

}  // namespace

Result<Descriptor> lock_edits(const std::string& state_dir, Patience patience) {
  const std::string place = edit_directory(state_dir);
  if (mkdir(place.c_str(), 0755) != 0 && errno != EEXIST) return tl::unexpected(Failure{"create", place, errno, {}});
  // drywalld, who may be another user, reads the record, whatever the umask was here. Not ours: it is as its owner has
  // it.
  if (chmod(place.c_str(), 0755) != 0 && errno != EPERM) return tl::unexpected(Failure{"open up", place, errno, {}});
  const std::string path = place + "/lock";
  Descriptor fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return tl::unexpected(Failure{"open", path, errno, {}});
  int locked = -1;
  do locked = flock(fd.get(), LOCK_EX | (patience == Patience::none ? LOCK_NB : 0));
  while (locked != 0 && errno == EINTR);
  if (locked == 0) return fd;
  const std::string detail = errno == EWOULDBLOCK ? "somebody else is editing the policy directory" : "";
  return tl::unexpected(Failure{"lock", path, errno, detail});
}

Result<std::vector<EditedFile>> inspect_files(const std::string& directory, std::span<const FileEdit> edits) {
  const Result<Descriptor> opened = open_unlinked_directory(directory);
  if (!opened) return tl::unexpected(opened.error());
  std::vector<EditedFile> files;
  for (const FileEdit& edit : edits) {
    EditedFile file{edit.file.substr(edit.file.rfind('/') + 1), edit.before, edit.after, {}};
    const Result<std::optional<std::string>> there = text_in(opened->get(), directory, file.name);
    if (!there) return tl::unexpected(Failure{"edit", there.error().object, there.error().error, there.error().detail});
    if (*there != edit.before) return tl::unexpected(Failure{"edit", edit.file, 0, "it was changed meanwhile"});
    if (edit.before) {
      Result<FileTraits> traits = traits_of(opened->get(), directory, file.name);
      if (!traits) return tl::unexpected(traits.error());
      file.traits = std::move(*traits);
    } else {
      file.traits = {0644, geteuid(), getegid(), {}};
    }
    files.push_back(std::move(file));
  }
  return files;
}

Result<void> apply_edit(const std::string& state_dir, EditRecord& record) {
  if (Result<void> begun = set_phase(state_dir, record, EditPhase::writing); !begun) return begun;
  const Result<std::vector<std::string>> put = put_files(record, Side::after);
  Result<void> done = put ? set_phase(state_dir, record, EditPhase::written) : tl::unexpected(put.error());
  if (!done) std::ignore = undo_edit(state_dir, record, "undone");  // if that fails too, who writes next tries again
  return done;
}

Result<std::vector<std::string>> undo_edit(const std::string& state_dir, EditRecord& record,
                                           const std::string& outcome) {
  if (Result<void> begun = set_phase(state_dir, record, EditPhase::undoing); !begun) {
    return tl::unexpected(begun.error());
  }
  Result<std::vector<std::string>> saved = put_files(record, Side::before);
  if (!saved) return saved;
  if (Result<void> closed = close_edit(state_dir, record, outcome); !closed) return tl::unexpected(closed.error());
  return saved;
}

Result<void> close_edit(const std::string& state_dir, EditRecord& record, const std::string& outcome) {
  EditRecord closed = record;
  closed.outcome = outcome;
  closed.files.clear();
  return set_phase(state_dir, closed, EditPhase::done);
}

std::vector<std::string> changed_since(const EditRecord& record) {
  std::vector<std::string> changed;
  const Result<Descriptor> directory = open_unlinked_directory(record.directory);
  for (const EditedFile& file : record.files) {
    const auto there =
        directory ? text_in(directory->get(), record.directory, file.name) : tl::unexpected(directory.error());
    if (!there || (*there != file.before && *there != file.after)) changed.push_back(file.name);
  }
  return changed;
}

Result<Recovery> recover_edit(const std::string& state_dir) {
  using Outcome = Recovery::Outcome;
  if (Result<void> ours = check_owner(state_dir); !ours) return tl::unexpected(ours.error());
  Result<std::optional<EditRecord>> found = read_edit_record(state_dir);
  if (!found) return tl::unexpected(found.error());
  if (!*found || (*found)->phase == EditPhase::done) return Recovery{};
  EditRecord record = **found;
  Recovery recovery{Outcome::nothing, **found, {}};
  const bool is_written = record.phase == EditPhase::written;
  const bool is_late = is_due(record, boot_time());
  if (is_written && record.confirmation && !is_late) {
    recovery.outcome = Outcome::armed;
    return recovery;
  }
  if (is_written && !record.confirmation) {
    if (Result<void> closed = close_edit(state_dir, record, "kept"); !closed) return tl::unexpected(closed.error());
    recovery.outcome = Outcome::kept;
    return recovery;
  }
  const bool is_rollback = is_late || record.phase == EditPhase::undoing;
  Result<std::vector<std::string>> saved = undo_edit(state_dir, record, is_rollback ? "rolled back" : "undone");
  if (!saved) return tl::unexpected(saved.error());
  recovery.saved = std::move(*saved);
  recovery.outcome = is_rollback ? Outcome::rolled_back : Outcome::undone;
  return recovery;
}

}  // namespace drywall
