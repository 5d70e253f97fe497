"""What an address refers to, and which IP addresses are public."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.fetching import MakeFetcher, fetch_error
from vecsim.errors import ImageError
from vecsim.fetch import is_public, parse_address

NOT_PUBLIC = (
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.0.1", "169.254.169.254",
    "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.168.1.1", "198.18.0.1",
    "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "fec0::1", "ff02::1",
    "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::",
    "2001:0:7f00:1::1",
)  # fmt: skip
PUBLIC = ("8.8.8.8", "1.1.1.1", "172.32.0.1", "2606:4700::1111", "2a00:1450::1",
          "::ffff:8.8.8.8", "64:ff9b::808:808")  # fmt: skip

BAD_URLS = (
    "", " ", "http://", "http:///a", "http://[::1", "http://a:b/", "http://a:99999/", "ftp://a/b",
    "gopher://a/", "data:image/png;base64,AAAA", "javascript:alert(1)", "file://other/x",
    "http://\0/",
)  # fmt: skip


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://shop.example/a.jpg", "shop.example:80"),
        ("https://shop.example/a.jpg", "shop.example:443"),
        ("HTTPS://Shop.Example:8443/a.jpg", "shop.example:8443"),
        (" http://user:secret@[::1]:80/ ", "::1:80"),
    ],
)
def test_origin_of_a_url_is_its_host_and_port(url: str, origin: str) -> None:
    address = parse_address(url)
    stripped = url.strip().replace("user:secret@", "")
    assert (address.url, address.path, address.origin) == (stripped, None, origin)
    assert address.credentials == ("user:secret" if "@" in url else "")
    assert "secret" not in repr(address)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/pictures/1.jpg", "/pictures/1.jpg"),
        ("a shoe: 100%.jpg", "a shoe: 100%.jpg"),
        ("file:///pictures/a%20shoe.jpg", "/pictures/a shoe.jpg"),
        ("FILE://localhost/a.jpg", "/a.jpg"),
    ],
)
def test_paths_and_file_urls_refer_to_files(url: str, path: str) -> None:
    address = parse_address(url)
    assert (address.path, address.origin) == (Path(path), "")


@pytest.mark.parametrize("url", BAD_URLS)
def test_addresses_that_are_not_fetched(url: str) -> None:
    with pytest.raises(ImageError) as caught:
        parse_address(url)
    assert caught.value.kind == "bad-url"


@pytest.mark.parametrize("url", [*BAD_URLS, "http://a b/", "http://./", "http://*/"])
def test_fetching_a_bad_url_fails_as_bad_url(fetcher: MakeFetcher, url: str) -> None:
    assert fetch_error(fetcher(), url).kind == "bad-url"


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_internal_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_internet_addresses_are_public(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_mapped_into_ipv6_is_public_if_it_is(address: object) -> None:
    assert is_public(f"::ffff:{address}") == is_public(str(address))
