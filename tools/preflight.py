"""What `make` looks at before it downloads anything: Python, venv, OpenCV's libraries, disk.

Runs with the system's Python, whatever its age: no syntax newer than Python 3.6, no dependency.
"""

import ctypes
import platform
import shutil
import sys
from pathlib import Path

MINIMUM = (3, 11)
# measured with pip for Python 3.11 on 2026-11-24: the wheels of requirements.lock, and on disk
DOWNLOAD = {
    "Linux": "3.6 GB, 3.0 GB of them torch and the CUDA libraries it asks for",
    "Darwin": "about 0.7 GB",
}
DISK_GB = {"Linux": 8, "Darwin": 3}
CPU_HINT = 'make ... PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"'
# what OpenCV's Linux wheel expects of the system, and Debian's and Ubuntu's package of each
OPENCV_LIBRARIES = {
    "libGL.so.1": "libgl1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libxcb.so.1": "libxcb1",
}


def main(venv):
    """Exit with a sentence on what is missing, or say what comes now."""
    problems = [python_problem() or venv_problem(), opencv_problem(), disk_problem(venv)]
    problems = [problem for problem in problems if problem]
    if problems:
        sys.exit("\n".join("make: " + problem for problem in problems))
    system = platform.system()
    say("Setting up {}, once: downloads {}.".format(venv, DOWNLOAD.get(system, "some GB")))
    if system == "Linux":
        say(f"Without a GPU 0.8 GB will do: {CPU_HINT}")


def python_problem():
    """The sentence for a Python that is too old, or None."""
    if sys.version_info >= MINIMUM:
        return None
    wanted = "{}.{}".format(*MINIMUM)
    newer = [f"python3.{minor}" for minor in range(14, MINIMUM[1] - 1, -1)]
    found = next((name for name in newer if shutil.which(name)), None)
    if found:
        mend = f"{found} is here: make ... PYTHON={found}"
    else:
        mend = (
            f"install it (Debian, Ubuntu: apt-get install python{wanted} python{wanted}-venv; "
            f"macOS: brew install python@{wanted}), then: make ... PYTHON=python{wanted}"
        )
    here = f"{sys.executable} is {platform.python_version()}"
    return f"Python {wanted} or newer is needed, {here}; {mend}"


def venv_problem():
    """The sentence for a Python without venv (Debian packs it apart), or None."""
    try:
        import ensurepip  # noqa: F401, PLC0415
        import venv  # noqa: F401, PLC0415
    except ImportError:
        package = "python{}.{}-venv".format(*sys.version_info[:2])
        return f"this Python cannot make virtual environments: apt-get install {package}"
    return None


def opencv_problem(libraries=None):
    """The sentence for missing system libraries of OpenCV, with the line that mends it, or None."""
    if platform.system() != "Linux":
        return None
    libraries = OPENCV_LIBRARIES if libraries is None else libraries
    missing = [name for name in libraries if not loads(name)]
    if not missing:
        return None
    packages = sorted({libraries[name] for name in missing})
    return "OpenCV needs {}: apt-get install -y {}".format(", ".join(missing), " ".join(packages))


def disk_problem(venv):
    """The sentence for a disk that is too full, or None."""
    folder = Path(venv).resolve()
    if folder.exists():
        return None  # a renewal replaces what is there
    while not folder.exists():
        folder = folder.parent
    free_gb = shutil.disk_usage(str(folder)).free / 1e9
    needed_gb = DISK_GB.get(platform.system(), 8)
    if free_gb >= needed_gb:
        return None
    return "{} needs {} GB, {} has {:.1f} GB free; another place: make ... {}".format(
        venv, needed_gb, folder, free_gb, "QUAYWATCH_VENV=/some/dir"
    )


def loads(library):
    """Whether the system's loader finds a library."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def say(line):
    """Print at once, before pip's output."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else ".venv")
