"""Which columns and cells of a list are pictures: found, named by options, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.list_cases import ListCase, check_images_of_list
from support.servers import HostileServer

CASES = {
    # Which column.
    "Shopify": ListCase(
        "l.csv",
        "Handle,Image Src,Image Position\na,{U}/1.jpg,1\nb,{U}/2.jpg,2\n",
        ["{U}/1.jpg", "{U}/2.jpg"],
        message="l.csv: the pictures are in the column Image Src, whose URLs are the ids.",
    ),
    "Google Merchant": ListCase(
        "l.csv",
        "id,link,image_link,availability\n1,{U}/p/1,{U}/1.jpg,in stock\n",
        ["1"],
        message="in the column image_link",
    ),
    "WooCommerce": ListCase(
        "l.csv", "ID,Name,Images,Price\n7,Shoe,{U}/1.jpg,9\n8,Hat,{U}/2.jpg,8\n", ["7", "8"]
    ),
    "Magento": ListCase("l.csv", "sku,base_image,qty\nA,{U}/1.jpg,3\n", ["{U}/1.jpg"]),
    "a page and a picture": ListCase(
        "l.csv", "id,url,image\n1,{U}/product/1,{U}/1.jpg\n", ["1"], message="in the column image ("
    ),
    "a description of the picture": ListCase(
        "l.csv", "sku,image_url,image_alt\nA,{U}/1.jpg,shoe\n", ["{U}/1.jpg"]
    ),
    "a description with pictures in it": ListCase(
        "l.csv",
        'id,body,asset\n1,"<p>A hat</p><p><img src=""{U}/2.jpg""></p>",{U}/1.jpg\n',
        ["1"],
        message="in the column asset",
    ),
    "addresses beside names of files that are not there": ListCase(
        "l.csv", "id,path,asset\n1,hat.jpg,{U}/1.jpg\n2,shoe.jpg,{U}/2.jpg\n", ["1", "2"]
    ),
    "paths of files that are there": ListCase(
        "l.csv", "id,where,what\n1,pics/1.jpg,a.b\n2,pics/2.jpg,c.d\n", ["1", "2"]
    ),
    # Several pictures in a row.
    "two columns of pictures": ListCase(
        "l.csv",
        "id,image_1,image_2\nA,{U}/1.jpg,{U}/2.jpg\nB,{U}/3.jpg,\n",
        ["A", "B"],
        message="(not read: image_2)",
    ),
    "two columns that are named": ListCase(
        "l.csv",
        "id,image_1,image_2,image_3\nA,{U}/1.jpg,,{U}/2.jpg\nB,{U}/3.jpg,,\n",
        ["A", "A#3", "B"],
        options=["--url-column", "image_1", "--url-column", "image_2", "--url-column", "image_3"],
    ),
    "several in a cell": ListCase(
        "l.csv",
        'id,url\n1,"{U}/1.jpg, {U}/2.jpg"\n2,{U}/3.jpg|{U}/4.jpg\n3,{U}/5.jpg\n',
        ["3"],
        kinds=["bad-url", "bad-url"],
        message="2 cells hold several addresses: --split-cells takes each.",
    ),
    "several in a cell that is split": ListCase(
        "l.csv",
        'id,url\n1,"{U}/1.jpg, {U}/2.jpg"\n2,{U}/3.jpg|{U}/4.jpg\n3,{U}/5.jpg;{U}/6.jpg\n'
        '4,"[\'{U}/1.jpg\', \'{U}/2.jpg\']"\n5,"[""{U}/3.jpg""]"\n',
        ["1", "1#2", "2", "2#2", "3", "3#2", "4", "4#2", "5"],
        options=["--split-cells"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_list_gives_its_images(
    case: str, vecsim, pictures: Path, server: HostileServer
) -> None:
    check_images_of_list(CASES[case], vecsim, pictures, server)


def test_a_list_without_pictures_is_refused_before_any_work(vecsim) -> None:
    Path("l.csv").write_text("id,price,title\n1,9.99,Shoe\n2,19.99,Hat\n")

    ran = vecsim("build-index", "new", "l.csv")

    assert ran.status == 1
    assert "l.csv line 1: the column title does not look like URLs or paths of pictures" in ran.err
    assert not Path("new").exists()


def test_a_column_whose_name_has_a_space_is_quoted_in_advice(vecsim, pictures: Path) -> None:
    Path("l.csv").write_text("id,price,image link\n1,5,https://shop.example/1.jpg\n")

    ran = vecsim("build-index", "new", "l.csv", "--url-column", "price")

    assert ran.status == 1
    assert "Name the column: --url-column 'image link'" in ran.err


def test_an_index_whose_path_has_a_space_is_quoted_in_advice(vecsim, pictures: Path) -> None:
    Path("l.csv").write_text("id,url\n1,pics/1.jpg\n2,gone.jpg\n")

    ran = vecsim("build-index", "my index", "l.csv")

    assert "`vecsim failures 'my index'` lists them" in ran.err
