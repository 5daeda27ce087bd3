// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/state_owner.h"

#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace drywall {
namespace {

/// The C library has no call for it.
int keep_net_admin_alone() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  sets[0].effective = sets[0].permitted = 1U << static_cast<unsigned>(CAP_NET_ADMIN);
  return static_cast<int>(syscall(SYS_capset, &header, sets.data()));
}

}  // namespace

Result<void> become_owner_of(const std::string& state_dir, const std::string& runtime_dir) {
  struct stat state {};
  if (geteuid() != 0 || stat(state_dir.c_str(), &state) != 0 || state.st_uid == 0) return {};
  for (const std::string& path : {runtime_dir, runtime_dir + "/drywalld.lock"}) {
    if (lchown(path.c_str(), state.st_uid, state.st_gid) != 0 && errno != ENOENT) {
      return tl::unexpected(Failure{"change the owner of", path, errno, {}});
    }
  }
  if (prctl(PR_SET_KEEPCAPS, 1) != 0 || setgroups(1, &state.st_gid) != 0 ||
      setresgid(state.st_gid, state.st_gid, state.st_gid) != 0 ||
      setresuid(state.st_uid, state.st_uid, state.st_uid) != 0 || keep_net_admin_alone() != 0) {
    return tl::unexpected(Failure{"become the owner of", state_dir, errno, {}});
  }
  return {};
}

}  // namespace drywall
