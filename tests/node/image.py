#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""image.py OUT.tar NAME:TAG ENTRYPOINT PATH=FILE... PATH=:LINK...: an OCI image archive of one layer;
beside it OUT.layer.tar, the files alone."""
import hashlib
import io
import json
import platform
import sys
import tarfile

MEDIA = "application/vnd.oci.image."
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


def add(archive, path, data=None, link=None):
    info = tarfile.TarInfo(path)
    info.mode = 0o755
    if link:
        info.type, info.linkname = tarfile.SYMTYPE, link
    elif data is None:
        info.type = tarfile.DIRTYPE
    else:
        info.size = len(data)
    archive.addfile(info, io.BytesIO(data or b""))


def layer_of(entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for folder in ("bin", "dev", "etc", "proc", "sys", "tmp"):
            add(archive, folder)
        for entry in entries:
            path, source = entry.split("=", 1)
            if source.startswith(":"):
                add(archive, path, link=source[1:])
            else:
                with open(source, "rb") as file:
                    add(archive, path, file.read())
    return out.getvalue()


def main(out, name, entrypoint, *entries):
    layer = layer_of(entries)
    with open(out.removesuffix(".tar") + ".layer.tar", "wb") as file:
        file.write(layer)
    blobs = {}

    def blob(data, kind):
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {"mediaType": MEDIA + kind, "digest": "sha256:" + digest, "size": len(data)}

    layer_at = blob(layer, "layer.v1.tar")
    config_at = blob(json.dumps({
        "architecture": ARCH, "os": "linux",
        "config": {"Env": ["PATH=/bin"], "Entrypoint": [entrypoint]},
        "rootfs": {"type": "layers", "diff_ids": [layer_at["digest"]]},
    }).encode(), "config.v1+json")
    manifest_at = blob(json.dumps({
        "schemaVersion": 2, "mediaType": MEDIA + "manifest.v1+json", "config": config_at, "layers": [layer_at],
    }).encode(), "manifest.v1+json")
    manifest_at["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
    manifest_at["platform"] = {"architecture": ARCH, "os": "linux"}
    with tarfile.open(out, "w") as archive:
        add(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        add(archive, "index.json", json.dumps({"schemaVersion": 2, "manifests": [manifest_at]}).encode())
        for digest, data in blobs.items():
            add(archive, "blobs/sha256/" + digest, data)


if len(sys.argv) < 5:
    sys.exit(__doc__)
main(*sys.argv[1:])
