"""``GET /docs`` (contract, section 6): the page is whole, and nothing of it leaves the machine."""

import hashlib
import re
from pathlib import Path

import httpx
import pytest

from contract import assert_refusal
from shop import Shop

PAGE = Path(__file__).parents[2] / "src" / "novaproxy" / "openapi" / "page"
LOADED = sorted(file.name for file in PAGE.iterdir() if file.name != "index.html")
OURS = ["index.html", "page.css", "page.js", "icon.svg"]
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".txt": "text/plain"}
DESCRIBING = ["/openapi.json", "/docs", "/docs/page.js"]


def policy(response: httpx.Response) -> dict[str, list[str]]:
    """Return the Content-Security-Policy by directive."""
    parts = [part.split() for part in response.headers["Content-Security-Policy"].split(";")]
    return {part[0]: part[1:] for part in parts}


def test_the_page_loads_only_files_that_are_there(common_shop: Shop) -> None:
    page = common_shop.http.get("/docs")
    loaded = re.findall(r'(?:src|href)="([^"#]+)"', page.text)

    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert {"docs/swagger-ui-bundle.js", "docs/swagger-ui.css", "docs/page.js", "docs/page.css"} <= set(loaded)
    for address in loaded:
        found = common_shop.http.get(str(page.url.join(address)))
        assert found.status_code == 200, address


@pytest.mark.parametrize("name", LOADED)
def test_a_file_of_the_page_has_its_type_and_is_not_taken_for_another(common_shop: Shop, name: str) -> None:
    response = common_shop.http.get(f"/docs/{name}")

    assert response.status_code == 200
    assert response.content == (PAGE / name).read_bytes()
    assert response.headers["Content-Type"].partition(";")[0] == TYPES[Path(name).suffix]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", [*DESCRIBING, "/docs/icon.svg"])
def test_no_request_leaves_the_machine(common_shop: Shop, path: str) -> None:
    allowed = policy(common_shop.http.get(path))

    # What is not named falls back to default-src; these three do not.
    assert {allowed["base-uri"][0], allowed["form-action"][0], allowed["frame-ancestors"][0]} == {"'none'"}
    assert allowed["default-src"] == ["'self'"]
    for directive, sources in allowed.items():
        assert set(sources) <= {"'self'", "'none'"} | ({"data:"} if directive == "img-src" else set()), directive


@pytest.mark.parametrize("name", OURS)
def test_our_own_files_name_no_other_host_and_hold_nothing_inline(name: str) -> None:
    text = (PAGE / name).read_text().replace("http://www.w3.org/2000/svg", "")

    assert "//" not in re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|@import|url\(", text)


def test_the_page_keeps_no_token_and_asks_no_validator() -> None:
    script = (PAGE / "page.js").read_text()

    assert "persistAuthorization: false" in script
    assert "validatorUrl: null" in script


def test_the_vendored_files_are_as_they_were_published() -> None:
    lines = re.findall(r"^([0-9a-f]{64})  (.+)$", (PAGE / "VENDORED.txt").read_text(), re.MULTILINE)
    told = {name: digest for digest, name in lines}

    assert set(told) == set(LOADED) - set(OURS) - {"VENDORED.txt"}
    for name, digest in told.items():
        assert hashlib.sha256((PAGE / name).read_bytes()).hexdigest() == digest, name


@pytest.mark.parametrize("path", DESCRIBING)
def test_who_has_the_version_is_told_so(common_shop: Shop, path: str) -> None:
    whole = common_shop.http.get(path)
    tag = whole.headers["ETag"]

    assert re.fullmatch(r'"[0-9a-f]{32}"', tag)
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        response = common_shop.http.get(path, headers={"If-None-Match": known})
        assert (response.status_code, response.content, response.headers["ETag"]) == (304, b"", tag)
        assert response.headers["X-Request-Id"]
    for unknown in ('"other"', tag.strip('"'), "", "**"):
        response = common_shop.http.get(path, headers={"If-None-Match": unknown})
        assert (response.status_code, response.content) == (200, whole.content)


def test_different_files_have_different_tags(common_shop: Shop) -> None:
    tags = [common_shop.http.get(f"/docs/{name}").headers["ETag"] for name in LOADED]

    assert len(set(tags)) == len(tags)


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/docs/nope.js",
            "/docs/index.html",
            "/docs/",
            "/docs/..%2fpages.py",
            "/docs/..%2f..%2fapp.py",
            "/docs/%2e%2e",
        ),
        *("/docs/page.js/", "/docs/a/b", "/docs/%00", "/docs/page%00.js", "/Docs", "/openapi.yaml", "/openapi.json/"),
        *("/docs/%2Fetc%2Fpasswd", "/docs/PAGE.JS"),
    ],
)
def test_another_file_is_not_found_in_our_own_words(common_shop: Shop, path: str) -> None:
    assert_refusal(common_shop.http.get(path), 404, "Not found.", "not_found")


@pytest.mark.parametrize("path", DESCRIBING)
def test_a_description_is_read_and_nothing_else(common_shop: Shop, path: str) -> None:
    whole, head = common_shop.http.get(path), common_shop.http.head(path)

    assert head.content == b""
    for name in ("Content-Length", "Content-Type", "ETag", "Cache-Control", "Content-Security-Policy"):
        assert head.headers[name] == whole.headers[name]
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        response = common_shop.http.request(method, path)
        assert_refusal(response, 405, "This method is not allowed here.", "method_not_allowed")
        assert response.headers["Allow"] in {"GET, HEAD", "HEAD, GET"}
