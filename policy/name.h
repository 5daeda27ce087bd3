// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <string_view>

// What Kubernetes and Calico accept as a name (k8s.io/apimachinery/pkg/util/validation, Calico's validator.go).

namespace drywall::reading {

inline constexpr std::size_t longest_name = 253;
inline constexpr std::size_t longest_label = 63;

/// One or more lower-case letters, digits and '-'; first and last no '-'. Of any length.
[[nodiscard]] bool is_dns_label(std::string_view text);
/// DNS labels joined by dots. Of any length.
[[nodiscard]] bool is_dns_subdomain(std::string_view text);
/// `name` or `prefix/name`: a label's or annotation's key.
[[nodiscard]] bool is_qualified_name(std::string_view text);
/// Empty, or up to 63 letters, digits, '-', '_' and '.', first and last a letter or digit.
[[nodiscard]] bool is_label_value(std::string_view text);
/// Up to 15 lower-case letters, digits and single inner '-'; at least one letter.
[[nodiscard]] bool is_port_name(std::string_view text);
/// 1 to 15 letters, digits, '_', '.' and '-'.
[[nodiscard]] bool is_interface_name(std::string_view text);
/// Letters, digits and inner '-'.
[[nodiscard]] bool is_container_id(std::string_view text);

}  // namespace drywall::reading
