"""Print what Otter's test files hold, as JSON: runs in Otter's environment, for `build`.

python describe.py TEST_FILE...
"""

import json
import sys

from otter.test_files.exception_test import ExceptionTestFile


def describe(path: str) -> dict[str, object]:
    """Name, source and cases of one test file; Otter decides how points are shared out."""
    file = ExceptionTestFile.from_file(path)
    cases = [
        {
            "points": float(case.points),
            "hidden": case.hidden,
            "failure_message": case.failure_message,
            "success_message": case.success_message,
        }
        for case in file.test_cases
    ]
    return {"name": file.name, "source": file.source, "cases": cases}


if __name__ == "__main__":
    print(json.dumps([describe(path) for path in sys.argv[1:]]))
