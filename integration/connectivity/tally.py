# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run over many cases came to, and what is printed of it."""
import sys
from dataclasses import dataclass, field


@dataclass
class Tally:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    cases: int = 0
    failed_cases: int = 0
    skips: dict[str, int] = field(default_factory=dict)  # by file and reason

    def skip(self, path, number, reason):
        key = f"{path.name} {reason}"
        self.skipped += number
        self.skips[key] = self.skips.get(key, 0) + number

    def not_tried(self, case_id, complaint, expectations):
        self.failed_cases += 1
        self.failed += max(1, expectations)
        print(f"{case_id}: not tried, all its expectations fail: {complaint}", flush=True)

    def count(self, case, findings, verbose):
        self.passed += findings.passed
        self.failed += len(findings.failures)
        self.failed_cases += bool(findings.failures)
        for failure in findings.failures:
            print(f"{case.id} {failure}")
        for remark in findings.remarks:
            print(f"note: {case.id} {remark}")
        if verbose:
            print(f"{case.id}: {findings.passed} passed, {len(findings.failures)} failed, {findings.skipped} skipped, "
                  f"{findings.seconds:.1f} s")
            for text in findings.evidence:
                print(text)
        sys.stdout.flush()

    def end(self):
        """The last lines, and what the program exits with."""
        for what, number in self.skips.items():
            print(f"  {number}  {what}")
        print(f"{self.cases} cases, {self.failed_cases} of them failed; the line below counts their expectations")
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        return 0 if self.passed and not self.failed else 1
