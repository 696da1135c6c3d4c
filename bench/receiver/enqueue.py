"""What Debian's webhook starts for each delivery: the same entry, kept as durably."""
import json, os, sys, time, uuid

push, directory = json.loads(sys.argv[1]), sys.argv[2]
commit = push["head_commit"]
entry = {
    "repository": push["repository"]["name"],
    "ref": push["ref"],
    "commit_id": commit["id"],
    "committer_name": commit["committer"]["name"],
    "committer_email": commit["committer"]["email"],
}
name = "%f-%s.json" % (time.time(), uuid.uuid4())
temporary = os.path.join(directory, "." + name)
with open(temporary, "x") as file:
    json.dump(entry, file)
    file.flush()
    os.fsync(file.fileno())
os.rename(temporary, os.path.join(directory, name))
folder = os.open(directory, os.O_RDONLY)
os.fsync(folder)
os.close(folder)
print(name)
