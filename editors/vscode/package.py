"""Packs the extension into a .vsix file: `python editors/vscode/package.py [FILE]`.

A .vsix is a zip with a manifest. Besides the files of this directory it takes the libraries that
`package-lock.json` names, from `node_modules`; `npm ci` brings them there once, and nothing is
fetched here. The same files give the same bytes.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.sax.saxutils import quoteattr

HERE: Final = Path(__file__).parent
#: What of this directory goes into the extension.
FILES: Final = (
    "package.json",
    "README.md",
    "extension.js",
    "language-configuration.json",
    "syntaxes/knhk.tmLanguage.json",
)
#: The moment that all files in the zip bear: the earliest that a zip can say.
MOMENT: Final = (1980, 1, 1, 0, 0, 0)
CONTENT_TYPES: Final = """<?xml version="1.0" encoding="utf-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
{types}</Types>
"""
MANIFEST: Final = """<?xml version="1.0" encoding="utf-8"?>
<PackageManifest Version="2.0.0" xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011">
  <Metadata>
    <Identity Language="en-US" Id={id} Version={version} Publisher={publisher}/>
    <DisplayName>{name}</DisplayName>
    <Description xml:space="preserve">{description}</Description>
    <Categories>{categories}</Categories>
    <Properties>
      <Property Id="Microsoft.VisualStudio.Code.Engine" Value={engine}/>
    </Properties>
  </Metadata>
  <Installation>
    <InstallationTarget Id="Microsoft.VisualStudio.Code"/>
  </Installation>
  <Dependencies/>
  <Assets>
    <Asset Type="Microsoft.VisualStudio.Code.Manifest" Path="extension/package.json" \
Addressable="true"/>
    <Asset Type="Microsoft.VisualStudio.Services.Content.Details" Path="extension/README.md" \
Addressable="true"/>
  </Assets>
</PackageManifest>
"""


class MissingLibraries(Exception):
    """The libraries are not there, or not those that the lock names."""


def libraries(directory: Path) -> list[Path]:
    """The directories of the libraries, as the lock has them; raises :class:`MissingLibraries`."""
    lock = json.loads((directory / "package-lock.json").read_text(encoding="utf-8"))
    found: list[Path] = []
    for place, package in lock["packages"].items():
        if not place or package.get("dev"):
            continue
        manifest = directory / place / "package.json"
        if not manifest.is_file():
            raise MissingLibraries(f"{place} is missing: run `npm ci` in {directory} first")
        version = json.loads(manifest.read_text(encoding="utf-8"))["version"]
        if version != package["version"]:
            raise MissingLibraries(
                f"{place} has version {version}, not {package['version']}:"
                f" run `npm ci` in {directory} again"
            )
        found.append(directory / place)
    return found


def contents(directory: Path) -> Iterator[Path]:
    """The files of the extension."""
    for name in FILES:
        yield directory / name
    for library in libraries(directory):
        for path in sorted(library.rglob("*")):
            nested = "node_modules" in path.relative_to(library).parts
            if path.is_file() and not nested and path.suffix not in (".map", ".ts"):
                yield path


def manifest(directory: Path) -> str:
    """What the .vsix says of itself."""
    package = json.loads((directory / "package.json").read_text(encoding="utf-8"))
    return MANIFEST.format(
        id=quoteattr(package["name"]),
        version=quoteattr(package["version"]),
        publisher=quoteattr(package["publisher"]),
        engine=quoteattr(package["engines"]["vscode"]),
        name=package["displayName"],
        description=package["description"],
        categories=",".join(package["categories"]),
    )


def content_types(paths: list[Path]) -> str:
    """The kind of each file in the .vsix, by its ending."""
    kinds = {".json": "application/json", ".js": "application/javascript", ".md": "text/markdown"}
    endings = sorted({path.suffix for path in paths if path.suffix} | {".vsixmanifest"})
    return CONTENT_TYPES.format(
        types="".join(
            f"  <Default Extension={quoteattr(ending)}"
            f" ContentType={quoteattr(kinds.get(ending, 'text/plain'))}/>\n"
            for ending in endings
        )
    )


def pack(directory: Path, target: Path) -> None:
    """Write the .vsix; raises :class:`MissingLibraries`."""
    paths = list(contents(directory))
    texts = {
        "[Content_Types].xml": content_types(paths),
        "extension.vsixmanifest": manifest(directory),
    }
    with zipfile.ZipFile(target, "w") as archive:
        for name, text in texts.items():
            _add(archive, name, text.encode("utf-8"))
        for path in paths:
            _add(archive, f"extension/{path.relative_to(directory).as_posix()}", path.read_bytes())


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, MOMENT), data, zipfile.ZIP_DEFLATED)


def main(arguments: list[str]) -> int:
    """Pack, or say in a sentence why not."""
    target = Path(arguments[0]) if arguments else HERE / "knhk.vsix"
    try:
        pack(HERE, target)
    except MissingLibraries as problem:
        print(problem, file=sys.stderr)
        return 1
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
