"""Tiny copies of ImageNet and of the Protein Data Bank, in every form that users have them in."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

SIZES = ((40, 30), (30, 47), (300, 520), (431, 257), (31, 31))  # width, height
MODIFIED = ("MSE", "SEP")
AMINO = ["ALA", "CYS", "ASP", "GLU", "PHE", "GLY", "HIS", "ILE", "LYS", "LEU", "MET", "ASN"]
MODES = ("RGB", "CMYK", "L", "RGB", "P")


@dataclass(frozen=True)
class WrittenImage:
    """An image of the tiny ImageNet; ``folder`` is train or val, ``content`` its encoded bytes."""

    folder: str
    synset: str
    name: str
    content: bytes

    def broken(self) -> WrittenImage:
        """Return the same image, cut off in the middle."""
        return replace(self, content=self.content[: len(self.content) // 2])


def encode(mode: str, size: tuple[int, int], seed: int) -> bytes:
    """Return a smooth random image as JPEG, or as PNG for palettes, like one file of ImageNet."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8))
    image = coarse.resize(size, Image.Resampling.BICUBIC).convert(mode)
    file = io.BytesIO()
    image.save(file, "PNG" if mode == "P" else "JPEG")
    return file.getvalue()


def tiny_imagenet(synsets: Sequence[str], train: int, val: int) -> list[WrittenImage]:
    """Return images of every class, of different sizes and modes; validation images are numbered across classes."""
    images = []
    for index, synset in enumerate(synsets):
        for number in range(train):
            kind = (index + number) % len(SIZES)
            content = encode(MODES[kind], SIZES[kind], seed=1000 * index + number)
            images.append(WrittenImage("train", synset, f"{synset}_{17 * number + 5}.JPEG", content))
        for number in range(val):
            place = 2 * (number * len(synsets) + (index * 7) % len(synsets)) + 1  # alternating classes
            content = encode("RGB", SIZES[(index + number) % 2], seed=500_000 + place)
            images.append(WrittenImage("val", synset, f"ILSVRC2012_val_{place:08d}.JPEG", content))
    return images


def write_class_folders(raw: Path, images: Iterable[WrittenImage]) -> None:
    """``raw/imagenet/train/<synset>/*.JPEG`` and ``raw/imagenet/val/<synset>/*.JPEG``."""
    for image in images:
        path = raw / "imagenet" / image.folder / image.synset / image.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image.content)


def write_train_archive(raw: Path, images: Iterable[WrittenImage]) -> None:
    """Write ``raw/ILSVRC2012_img_train.tar``: a tar with one tar per class, and one class more than the images have."""
    classes: dict[str, list[tuple[str, bytes]]] = {"n00000001": [("n00000001_1.JPEG", b"of no interest")]}
    for image in images:
        if image.folder == "train":
            classes.setdefault(image.synset, []).insert(0, (image.name, image.content))
    members = [(f"{synset}.tar", _tar(files)) for synset, files in sorted(classes.items(), reverse=True)]
    raw.mkdir(parents=True, exist_ok=True)
    (raw / "ILSVRC2012_img_train.tar").write_bytes(_tar(members))


def write_validation_archive(raw: Path, images: Iterable[WrittenImage]) -> None:
    """Write ``raw/ILSVRC2012_img_val.tar``, with all images, and the development kit with their labels."""
    val = {int(image.name[15:23]): image for image in images if image.folder == "val"}
    synsets = ["n00000001", *sorted({image.synset for image in val.values()}, reverse=True)]
    numbers = range(1, max(val) + 1)
    files = [(f"ILSVRC2012_val_{n:08d}.JPEG", val[n].content if n in val else b"of no interest") for n in numbers]
    raw.mkdir(parents=True, exist_ok=True)
    (raw / "ILSVRC2012_img_val.tar").write_bytes(_tar(files))
    truth = "".join(f"{1 + synsets.index(val[n].synset) if n in val else 1}\n" for n in numbers)
    kit = [
        ("ILSVRC2012_devkit_t12/data/meta.mat", _meta([*synsets, "n00001740"])),
        ("ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt", truth.encode()),
        ("ILSVRC2012_devkit_t12/readme.txt", b"a text"),
    ]
    (raw / "ILSVRC2012_devkit_t12.tar.gz").write_bytes(gzip.compress(_tar(kit), mtime=0))


def _meta(synsets: Sequence[str]) -> bytes:
    """Return a meta.mat; its last synset has children, so it is not a class."""
    fields = ["ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children", "wordnet_height"]
    rows = np.empty((len(synsets), 1), dtype=[(name, object) for name in fields])
    for index, synset in enumerate(synsets):
        parent = index == len(synsets) - 1
        children = np.array([1, 2]) if parent else np.zeros((1, 0))
        rows[index, 0] = (index + 1, synset, f"thing {index}, object", "a thing", len(children) * parent, children, 0)
    file = io.BytesIO()
    savemat(file, {"synsets": rows})
    return file.getvalue()


def _tar(files: Iterable[tuple[str, bytes]]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


@dataclass(frozen=True)
class Atom:
    """An atom of a structure file: position in angstrom, ``place`` the letter of its alternate location."""

    residue: str
    number: int
    name: str
    position: tuple[float, float, float]
    chain: str = "A"
    element: str = "C"
    place: str = ""
    occupancy: float = 1.0
    polymer: bool = True
    model: int = 1


def helix(residues: int, seed: int) -> np.ndarray:
    """Return C-alpha positions (n, 3) of an alpha helix at a random place, with three decimals as in files.

    Radius 2.3, 1.5 along the axis and 100 degrees per residue: neighbours are 3.8 apart.
    """
    rng = np.random.default_rng(seed)
    turn = np.deg2rad(100) * np.arange(residues)
    line = np.stack([2.3 * np.cos(turn), 2.3 * np.sin(turn), 1.5 * np.arange(residues)], axis=1)
    rotation, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    return np.round(line @ rotation.T + rng.uniform(-20, 20, 3), 3)


def alphas(names: Sequence[str], positions: np.ndarray, chain: str = "A", first: int = 1) -> list[Atom]:
    """Return one C-alpha for every residue of a chain."""
    return [
        Atom(name, first + index, "CA", tuple(map(float, position)), chain)
        for index, (name, position) in enumerate(zip(names, positions, strict=True))
    ]


def write_entries(raw: Path, entries: int) -> None:
    """Write ``raw/pdb/*.cif``, each with one chain of 70 residues and another sequence."""
    for number in range(entries):
        names = np.random.default_rng(number).choice(AMINO, 70).tolist()
        write_text(raw / "pdb" / f"2X{number:02d}.cif", mmcif(f"2X{number:02d}", alphas(names, helix(70, number))))


def mmcif(entry: str, atoms: Sequence[Atom]) -> str:
    """Return the atoms in mmCIF format; every chain is a polymer, and atoms outside of it are another entity."""
    chains = list(dict.fromkeys((atom.chain, atom.polymer) for atom in atoms))
    kinds = [f"{i} {'polymer' if polymer else 'non-polymer'}" for i, (_, polymer) in enumerate(chains, 1)]
    lines = [f"data_{entry}", f"_entry.id {entry}", "loop_", "_entity.id", "_entity.type", *kinds, "loop_"]
    fields = (
        "group_PDB id type_symbol label_atom_id label_alt_id label_comp_id label_asym_id label_entity_id label_seq_id"
    )
    fields += " pdbx_PDB_ins_code Cartn_x Cartn_y Cartn_z occupancy B_iso_or_equiv auth_seq_id auth_asym_id"
    lines += [f"_atom_site.{field}" for field in (*fields.split(), "pdbx_PDB_model_num")]
    for serial, atom in enumerate(atoms, 1):
        entity = 1 + chains.index((atom.chain, atom.polymer))
        group, sequence = _group(atom), atom.number if atom.polymer else "."
        where = f"{atom.residue} {atom.chain}{entity} {entity} {sequence} ?"
        x, y, z = (f"{value:.3f}" for value in atom.position)
        lines.append(
            f"{group} {serial} {atom.element} {atom.name} {atom.place or '.'} {where} {x} {y} {z} {atom.occupancy:.2f} "
            f"0.0 {atom.number} {atom.chain} {atom.model}"
        )
    return "\n".join(lines) + "\n"


def pdb(entry: str, atoms: Sequence[Atom]) -> str:
    """Return the atoms in PDB format (version 3.3), in one model; a TER ends every polymer."""
    lines = [f"HEADER    {'PROTEIN':<40}01-JAN-20   {entry}".rstrip()]
    for serial, atom in enumerate(atoms, 1):
        name = f" {atom.name:<3}" if len(atom.element) == 1 else f"{atom.name:<4}"
        x, y, z = atom.position
        lines.append(
            f"{_group(atom):<6}{serial:>5} {name}{atom.place or ' '}{atom.residue:>3} {atom.chain}{atom.number:>4}    "
            f"{x:8.3f}{y:8.3f}{z:8.3f}{atom.occupancy:6.2f}{0:6.2f}          {atom.element:>2}"
        )
        following = atoms[serial] if serial < len(atoms) else None
        if atom.polymer and (following is None or (following.chain, following.polymer) != (atom.chain, True)):
            lines.append("TER")
    return "\n".join([*lines, "END", ""])


def _group(atom: Atom) -> str:
    """Return the kind of record: modified residues are HETATM, although they belong to the polymer."""
    return "ATOM" if atom.polymer and atom.residue not in MODIFIED else "HETATM"


def write_text(path: Path, content: str) -> Path:
    """Write a file, compressed if its name ends in .gz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path
