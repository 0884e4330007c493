"""The tables whose rows come in groups: their columns, what these must contain, and who keeps them."""

from __future__ import annotations

from intertwine.datasets.clustered_files import ColumnTable

__all__ = ["AUDIO", "BATTING", "CLUSTERED", "COUNTY_COUNTS", "COUNTY_SHARES", "LABORATORY"]

COUNTY_SHARES = (
    "Hispanic", "White", "Black", "Native", "Asian", "Pacific", "Poverty", "ChildPoverty", "Professional", "Service",
    "Office", "Construction", "Production", "Drive", "Carpool", "Transit", "Walk", "OtherTransp", "WorkAtHome",
    "PrivateWork", "PublicWork", "SelfEmployed", "FamilyWork", "Unemployment",
)  # fmt: skip
COUNTY_COUNTS = ("TotalPop", "Men", "VotingAgeCitizen", "Employed", "Income", "IncomePerCap", "MeanCommute")
AUDIO = (
    "danceability", "energy", "key", "loudness", "mode", "speechiness", "acousticness", "instrumentalness", "liveness",
    "valence", "tempo", "duration_ms",
)  # fmt: skip
BATTING = (
    "g",
    "ab",
    "r",
    "h",
    "X2b",
    "X3b",
    "hr",
    "rbi",
    "sb",
    "cs",
    "bb",
    "so",
    "ibb",
    "hbp",
    "sh",
    "sf",
    "gidp",
)
LABORATORY = ("ascites", "hepato", "spiders", "edema", "bili", "chol", "albumin", "alk.phos", "ast", "platelet",
               "protime", "stage")  # fmt: skip

CLUSTERED = {
    "acs2017_county": ColumnTable(
        ("CountyId", *COUNTY_COUNTS, *COUNTY_SHARES),
        ("State", "County"),
        "ffda3e9171b6809a31416661debc1b00b5133d62e3375f6571f57d0bab552c12",
        ("acs2017_county.csv.gz", "acs2017_county_data.csv"),
        how_to_make="acs2017_county_data.csv of the Kaggle data set 'US Census Demographic Data' (needs an account), "
        "which is tables DP03 and DP05 of the American Community Survey 2017, 5-year estimates",
    ),
    "us_county_centroids": ColumnTable(
        ("fips", "lat", "long"),
        (),
        "56bdbd6fb2a3246dd469c0ce344dfadb3fdb5a00cc9ae70afb154a44571c8c0c",
        ("us_county_centroids.csv.gz",),
        how_to_make="fips, lat and long of every county, its centroid, of the Census Bureau's county borders of 2010",
    ),
    "spotify_songs": ColumnTable(
        ("track_popularity", *AUDIO),
        (
            "track_name",
            "track_artist",
            "track_album_name",
            "track_album_release_date",
            "playlist_name",
            "playlist_genre",
            "playlist_subgenre",
        ),
        "e107563649c3b3e4b5f4bfc5561c311d270b777c0ec7e1c7d39dbe1b8cdbeed8",
        ("spotify_songs_subset.csv.gz",),
        how_to_make="of spotify_songs.csv (TidyTuesday, 21 January 2020) the rows of artists that have more than 30",
        encoding="latin-1",
    ),
    "baseball": ColumnTable(
        ("year", *BATTING),
        ("id", "team", "lg"),
        "0c9d6fbf91bd2c39174a1515673c2206e3ed209f9c7ddde1d08ad58816cb83ab",
        ("r_plyr_baseball.csv.gz", "r_plyr_baseball.csv"),
        ("plyr", "baseball"),
    ),
    "pbcseq": ColumnTable(
        ("id", "futime", "status", "trt", "age", "day", *LABORATORY),
        ("sex",),
        "916b89d6d93d4762d38f400e6981427143a7df05c7a33bb332c518743c2832cf",
        ("r_survival_pbcseq.csv.gz", "r_survival_pbcseq.csv"),
        ("survival", "pbcseq"),
    ),
    "InstEval": ColumnTable(
        ("s", "d", "studage", "lectage", "service", "dept", "y"),
        (),
        "0643e990631fb776f95842cab22c046a8d4a2fca696156599d36e751d14cd7a5",
        ("r_lme4_InstEval.csv.gz", "r_lme4_InstEval.csv"),
        ("lme4", "InstEval"),
    ),
    "sleepstudy": ColumnTable(
        ("Reaction", "Days", "Subject"),
        (),
        "4c2aba66f27a3f57580279c352b549e72d1487c799c719121788f775156c19e8",
        ("longitudinal_tables.npz", "r_lme4_sleepstudy.csv"),
        ("lme4", "sleepstudy"),
        family="longitudinal",
    ),
}
