"""All access to the files inside an index folder; no link in it is followed.

An index may be untrusted. A link among its files would make vecsim read, overwrite or
delete other files of the user, and a named pipe would block it. So each name below the
index folder is opened relative to the handle of the folder above it, with O_NOFOLLOW, and only
regular files are opened. Anything else in the place of a file of the index is damage.

The path of the index folder itself is the user's own: links in it are followed.
"""

from vecsim.contained.folders import LINKED_FOLDERS, misplaced, total_size
from vecsim.contained.path import ContainedPath

__all__ = ["LINKED_FOLDERS", "ContainedPath", "misplaced", "total_size"]
