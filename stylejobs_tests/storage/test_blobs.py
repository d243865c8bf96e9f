"""What only an account does: credentials, throttling, lost connections, replaced blobs."""

import base64
import hashlib
import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient

from stylejobs.storage.account import UnsafeAccount, account_name, check_account, client_options
from stylejobs.storage.blob_errors import AccessDenied, ObjectChanged
from stylejobs.storage.blobs import AzureStore
from stylejobs.storage.parts import commit_part, find_part
from stylejobs.storage.store import StoreError
from stylejobs_tests.emulator import ALL, Emulator, Proxy

BIG = bytes(range(256)) * 100_000  # several blocks


def big_file(tmp_path: Path) -> Path:
    file = tmp_path / "big"
    file.write_bytes(BIG)
    return file


def tampered(sas: str) -> str:
    return sas.replace("sig=", "sig=AAAA", 1)


class TestContent:
    @pytest.mark.parametrize("whole", [True, False])
    def test_a_blob_carries_its_type_its_md5_and_what_was_said_of_it(
        self, account: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
    ) -> None:
        if not whole:
            monkeypatch.setattr("stylejobs.storage.blobs.WHOLE", 0)
        store = account.store()
        store.publish(big_file(tmp_path), "painted/a.mkv", {"style": "mosaïc", "version": "1a"})
        store.write("rejected/a.txt", b"no")
        owner = account.owner()
        facts = owner.get_blob_client(account.containers["painted"], "a.mkv").get_blob_properties()
        assert facts.content_settings.content_type == "video/x-matroska"
        assert bytes(facts.content_settings.content_md5) == hashlib.md5(BIG).digest()
        assert facts.metadata == {"style": "mosa%C3%AFc", "version": "1a"}
        letter = owner.get_blob_client(account.containers["rejected"], "a.txt")
        assert letter.get_blob_properties().content_settings.content_type == "text/plain"

    def test_what_the_uploader_said_is_listed(self, account: Emulator) -> None:
        inbox = account.owner().get_container_client(account.containers["inbox"])
        inbox.upload_blob("a.mp4", b"x", metadata={"Style": "mosaic"})
        (listed,) = account.store().list("inbox")
        assert listed.metadata == {"style": "mosaic"}
        assert account.store().head("inbox/a.mp4") == listed

    def test_only_a_complete_blob_of_blocks_needs_no_rest(self, account: Emulator) -> None:
        inbox = account.owner().get_container_client(account.containers["inbox"])
        inbox.upload_blob("whole", b"x")
        inbox.upload_blob("empty", b"")
        inbox.upload_blob("log", b"x", blob_type="AppendBlob")
        inbox.get_blob_client("staged").stage_block(base64.b64encode(b"1").decode(), b"x")
        whole = {o.path: o.is_whole for o in account.store().list("inbox")}
        assert whole == {"inbox/whole": True, "inbox/empty": False, "inbox/log": False}

    def test_a_folder_of_a_hierarchical_account_is_no_object(self, account: Emulator) -> None:
        inbox = account.owner().get_container_client(account.containers["inbox"])
        inbox.upload_blob("mosaic", b"", metadata={"hdi_isfolder": "true"})
        assert list(account.store().list("inbox")) == []

    def test_an_upload_that_fails_half_way_shows_nothing(
        self,
        account: Emulator,
        proxy: Proxy,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("stylejobs.storage.blobs.WHOLE", 0)
        proxy.fault = lambda method, path: 403 if "comp=blocklist" in path else None
        with pytest.raises(StoreError):
            account.store(url=proxy.url).publish(big_file(tmp_path), "painted/a.mp4")
        assert sum("comp=block&" in path for _, path in proxy.seen) == 4
        assert list(account.store().list("painted")) == []

    def test_what_was_read_once_is_not_fetched_again(self, account: Emulator, proxy: Proxy) -> None:
        store = account.store(url=proxy.url)
        store.write("work/a", b"one")

        def fetched() -> int:
            return sum(method == "GET" for method, _ in proxy.seen)

        for _ in range(3):
            with store.open_local("work/a") as file:
                assert file.read_bytes() == b"one"
        assert fetched() == 1
        store.write("work/a", b"two")
        with store.open_local("work/a") as file:
            assert file.read_bytes() == b"two"
        assert fetched() == 2

    def test_local_copies_are_bounded(self, account: Emulator) -> None:
        with account.owner() as owner:
            store = AzureStore(owner, account.containers, copies_bytes=25)
            for number in range(5):
                store.write(f"work/{number}", bytes(10))
            for number in range(5):
                with store.open_local(f"work/{number}") as file:
                    assert file.exists()
            kept = [f for f in file.parents[1].rglob("*") if f.is_file()]
        assert len(kept) == 2


class TestListing:
    def test_a_listing_can_be_left_and_taken_up_again(
        self, account: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("stylejobs.storage.blob_listing._PAGE", 3)
        store = account.store()
        names = [f"inbox/mosaic/{n}.mp4" for n in range(8)]
        for name in names:
            store.write(name, b"x")
        first = next(store.pages("inbox"))
        assert [o.path for o in first.objects] == names[:3]
        rest = [o.path for page in store.pages("inbox", first.following) for o in page.objects]
        assert rest == names[3:]


class TestFaults:
    @pytest.mark.parametrize(
        ("fault", "whole"), [(503, True), (429, False), (500, True), ("drop", False)]
    )
    def test_what_passes_is_tried_again(
        self,
        account: Emulator,
        proxy: Proxy,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        fault: int | str,
        whole: bool,
    ) -> None:
        if not whole:
            monkeypatch.setattr("stylejobs.storage.blobs.WHOLE", 0)
        tries: Counter[tuple[str, str]] = Counter()

        def twice(method: str, path: str) -> int | str | None:
            tries[method, path] += 1
            return fault if tries[method, path] <= 2 else None

        proxy.fault = twice
        store = account.store(url=proxy.url)
        part = commit_part(store, "work/a.mp4", big_file(tmp_path), 7, {})
        assert find_part(store, "work/a.mp4") == part
        assert [o.path for o in store.list("work")] == ["work/a.mp4", "work/a.mp4.json"]
        assert store.read("work/a.mp4") == BIG

    @pytest.mark.parametrize("fault", [503, 429])
    def test_an_account_that_stays_busy_is_one_clear_error(
        self, account: Emulator, proxy: Proxy, fault: int
    ) -> None:
        proxy.fault = lambda method, path: fault
        store = account.store(url=proxy.url)
        for action in every_action(store):
            with pytest.raises(StoreError, match=f"too busy to .* \\({fault}"):
                action()

    def test_an_account_that_is_not_there_is_one_clear_error(self, account: Emulator) -> None:
        store = account.store(url="http://127.0.0.1:9/devstoreaccount1")
        for action in every_action(store):
            with pytest.raises(StoreError, match="could not be reached") as caught:
                action()
            assert "sig" not in str(caught.value)

    def test_a_blob_replaced_before_it_is_read_is_read_in_its_new_version(
        self, account: Emulator, proxy: Proxy
    ) -> None:
        store, owner = account.store(url=proxy.url), account.store()
        owner.write("inbox/a", b"one")

        def replace(method: str, path: str) -> None:
            if method == "GET" and len(proxy.seen) == 2:
                owner.write("inbox/a", b"two")

        proxy.fault = replace
        with store.open_local("inbox/a") as file:
            assert file.read_bytes() == b"two"

    def test_two_versions_of_a_blob_are_never_mixed(self, account: Emulator, proxy: Proxy) -> None:
        store, owner = account.store(url=proxy.url), account.store()
        owner.write("inbox/a", bytes(20_000_000))
        versions = iter(range(1, 100))

        def replace(method: str, path: str) -> None:
            # Again and again, after the first of several ranges.
            if method == "GET":
                owner.write("inbox/a", bytes([next(versions)]) * 20_000_000)

        proxy.fault = replace
        with (
            pytest.raises(ObjectChanged, match="inbox/a was replaced"),
            store.open_local("inbox/a"),
        ):
            pass


def every_action(store: AzureStore) -> list[Callable[[], object]]:
    return [
        lambda: list(store.list("inbox")),
        lambda: store.head("inbox/a"),
        lambda: store.read("inbox/a"),
        lambda: store.open_local("inbox/a").__enter__(),
        lambda: store.write("inbox/a", b"x"),
        lambda: store.delete("inbox/a"),
    ]


class TestCredentials:
    def test_a_token_without_list_says_so(self, account: Emulator) -> None:
        store = account.store(account.sas("rwdac"))
        store.write("inbox/a", b"x")
        with pytest.raises(AccessDenied, match="does not allow to list in container 'inbox-"):
            list(store.list("inbox"))

    def test_a_token_without_write_says_so(self, account: Emulator, tmp_path: Path) -> None:
        store = account.store(account.sas("rl"))
        with pytest.raises(AccessDenied, match="does not allow to write in container 'painted-"):
            store.write("painted/a", b"x")
        with pytest.raises(AccessDenied, match="does not allow to write"):
            store.publish(big_file(tmp_path), "painted/a")
        assert list(store.list("painted")) == []

    def test_an_expired_token_says_when_it_ended(self, account: Emulator) -> None:
        store = account.store(account.sas(minutes=-5))
        for action in every_action(store):
            with pytest.raises(AccessDenied, match="expired at 20"):
                action()

    def test_a_wrong_container_is_named(self, account: Emulator) -> None:
        account.containers["inbox"] = "nowhere"
        with pytest.raises(StoreError, match="no container 'nowhere' of the account"):
            list(account.store().list("inbox"))

    @pytest.mark.parametrize("permissions", [ALL])
    def test_no_error_and_no_log_holds_the_signature(
        self, account: Emulator, permissions: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        sas = account.sas(permissions)
        signature = sas.split("sig=")[1].split("&")[0]
        bad = tampered(sas)
        list(account.store(sas).list("inbox"))
        for token in (bad, account.sas(minutes=-5)):
            for action in every_action(account.store(token)):
                with pytest.raises(AccessDenied) as caught:
                    action()
                assert caught.value.__cause__ is None
                assert caught.value.__suppress_context__
                assert "sig=" not in str(caught.value)
        assert caplog.records
        assert signature not in caplog.text
        assert "AAAA" not in caplog.text

    @pytest.mark.parametrize(
        ("url", "key", "words"),
        [
            ("http://media.blob.core.windows.net", False, "not encrypted"),
            ("https://media.blob.core.windows.net", True, "opens everything in media"),
            ("https://media.blob.core.windows.net?sig=abc", False, "must not hold a credential"),
            ("https://me:pw@media.blob.core.windows.net", False, "must not hold a credential"),
        ],
    )
    def test_what_would_put_the_account_at_risk_is_refused(
        self, url: str, key: bool, words: str
    ) -> None:
        with pytest.raises(UnsafeAccount, match=words) as caught:
            check_account(url, key, key_allowed=False)
        assert "abc" not in str(caught.value)
        assert "pw" not in str(caught.value)

    @pytest.mark.parametrize(
        ("url", "key", "allowed"),
        [
            ("http://127.0.0.1:10000/devstoreaccount1", True, False),
            ("http://[::1]:10000/devstoreaccount1", True, False),
            ("https://azurite.internal:10000/devstoreaccount1", True, False),
            ("https://media.blob.core.windows.net", False, False),
            ("https://media.blob.core.windows.net", True, True),
        ],
    )
    def test_what_is_safe_is_taken(self, url: str, key: bool, allowed: bool) -> None:
        check_account(url, key, allowed)

    def test_the_account_is_read_off_the_url(self) -> None:
        assert account_name("https://media.blob.core.windows.net/") == "media"
        assert account_name("http://127.0.0.1:10000/devstoreaccount1") == "devstoreaccount1"

    def test_where_no_identity_is_available_the_error_says_so(
        self, account: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from azure.identity import EnvironmentCredential

        service = BlobServiceClient(
            account.url, credential=EnvironmentCredential(), **client_options(0.01)
        )
        with pytest.raises(AccessDenied, match="No identity is available here"):
            AzureStore(service, account.containers).head("inbox/a")
