"""Results whole or not at all, archives only with an index of sensible size."""

import os
import resource
import stat
import zipfile

import pytest

from emage.errors import MotionError, OutputError
from emage.files import check_writable, new_file, open_zip, write_text
from emage.generation.take import Take
from emage.hints import HintPlan, Hints
from emage.motion import Motion
from emage.recording.recording import Recording
from tests.conftest import make_motion, make_speech


def test_a_file_appears_when_it_is_whole(tmp_path):
    with new_file(tmp_path / "a.txt") as temporary:
        assert temporary.suffix == ".txt"
        temporary.write_text("new")
        assert not (tmp_path / "a.txt").exists()
    assert (tmp_path / "a.txt").read_text() == "new"
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o666 & ~current_umask()
    assert len(list(tmp_path.iterdir())) == 1


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("fault", [KeyboardInterrupt, ValueError])
def test_a_broken_off_block_leaves_the_old_file(tmp_path, fault):
    (tmp_path / "a.txt").write_text("old")

    def break_off():
        with new_file(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise fault

    with pytest.raises(fault):
        break_off()
    assert (tmp_path / "a.txt").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_full_disk_and_missing_folder(tmp_path):
    with pytest.raises(OutputError, match="the disk is full"), new_file(tmp_path / "a.txt"):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []
    for check in (check_writable, lambda path: new_file(path).__enter__()):
        with pytest.raises(OutputError, match=r"the folder .*none does not exist"):
            check(tmp_path / "none" / "a.txt")
    with pytest.raises(OutputError, match="is a folder; name a file"):
        check_writable(tmp_path)


def test_a_folder_that_may_not_be_written():
    with pytest.raises(OutputError, match=r"Permission denied|Read-only"):
        check_writable("/sys/a.txt")  # not even by root


def test_what_is_no_ordinary_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for check in (check_writable, lambda path: new_file(path).__enter__()):
        with pytest.raises(OutputError, match="device or a pipe"):
            check(tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_link_is_followed(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.txt").symlink_to(tmp_path / "folder" / "target.txt")
    with new_file(tmp_path / "link.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "folder" / "target.txt").read_text() == "new"


def test_long_names_and_writers_that_put_files_of_their_own_in_place(tmp_path):
    path = tmp_path / ("n" * 250 + ".txt")
    with new_file(path) as temporary:
        temporary.unlink()
        temporary.touch(0o600)
    assert path.stat().st_mode & 0o777 == 0o666 & ~current_umask()


def test_archives_are_opened_with_and_without_a_comment(tmp_path):
    for comment in (b"", b"a comment", b"c" * 0xFFFF):
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x", "content")
            archive.comment = comment
        with open_zip(path, MotionError) as archive:
            assert archive.read("x") == b"content"


def test_an_index_that_would_fill_the_memory_is_not_read(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(6000):
            archive.writestr(zipfile.ZipInfo(f"{number:06}"), b"")
    assert path.stat().st_size < 1 << 20
    with pytest.raises(MotionError, match=r"a.zip lists far too many files"):
        open_zip(path, MotionError)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", "content")
    end = path.read_bytes()[-22:]
    locator = b"PK\6\7" + bytes(16)
    for tail in (end[:12] + b"\xff" * 4 + end[16:], locator + end, locator + end[:20] + b"\1\0c"):
        path.write_bytes(bytes(1000) + tail)
        with pytest.raises(MotionError, match="too many files"):
            open_zip(path, MotionError)
    path.write_bytes(end[:21])
    with pytest.raises(zipfile.BadZipFile):
        open_zip(path, MotionError)


@pytest.fixture
def limit_file_size():
    """Files cannot grow beyond so many bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda num_bytes: resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_name_that_is_damaged_is_told_without_its_bytes(tmp_path):
    make_motion(9).save(tmp_path / "a.npz")
    damaged = bytearray((tmp_path / "a.npz").read_bytes())
    damaged[26:28] = (5000).to_bytes(2, "little")  # how long the first file's name is
    (tmp_path / "a.npz").write_bytes(damaged)
    with pytest.raises(
        MotionError, match=r"damaged \(File name in directory '[a-z_]+\.npy' and before it differ\)\. "
    ) as told:
        Motion.load(tmp_path / "a.npz")
    assert len(str(told.value)) < 200


def test_a_take_that_finds_no_room_leaves_nothing(tmp_path, limit_file_size):
    take = Take(make_motion(10), hints=Hints(make_motion(300), HintPlan()))
    limit_file_size(200_000)
    with pytest.raises(OutputError, match="hint.npz was not written: File too large"):
        take.store(tmp_path, "talk")
    assert list(tmp_path.iterdir()) == []


def test_a_recording_that_finds_no_room_leaves_nothing(tmp_path, limit_file_size):
    recording = Recording.load((16000, make_speech(48000)))
    limit_file_size(300_000)
    with pytest.raises(OutputError, match="sound.npy was not written: the disk is full"):
        recording.store(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_text_with_half_a_character_is_not_written(tmp_path):
    with pytest.raises(OutputError, match="a.json was not written: its text holds half a character"):
        write_text(tmp_path / "a.json", "a smile \ud83d")
    assert list(tmp_path.iterdir()) == []
