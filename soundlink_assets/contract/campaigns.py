"""The campaign list: which fields of a campaign object are kept, and under which names.

The provider's objects are camelCase and differ between its revisions; absent fields become null.
The list has no campaign name, no dates of the run and no target type: those stand on export rows.
"""

from soundlink_assets.tables import Column, Kind, Table

SOURCE_FIELDS: dict[str, str] = {
    "campaign_id": "campaignId",
    "organization_id": "organizationId",
    "status": "status",
    "social_platform": "socialPlatform",
    "daily_budget": "dailyBudget",
    "total_budget": "totalBudget",
    "campaign_duration": "campaignDuration",
    "created_at": "createdAt",
    "updated_at": "updatedAt",
    "generation": "generation",
    "artist_id": "artistId",
    "artist_name": "artistName",
    "track_id": "trackId",
    "track_name": "trackName",
    "playlist_id": "playlistId",
    "campaign_url": "campaignUrl",
}
"""Column of ours -> field of the provider's campaign object."""


def _optional(name: str, kind: Kind, description: str, unit: str = "") -> Column:
    return Column(
        name=name, kind=kind, description=description, unit=unit, nullable=True, required=False
    )


CAMPAIGNS = Table(
    schema="soundlink",
    name="campaigns",
    grain="one row per campaign",
    description="The organisation's campaigns, as the provider lists them now. With "
    "`SOUNDLINK_CAMPAIGN_IDS` set, only those ids, and nothing else is known of them.",
    key=("campaign_id",),
    columns=(
        Column(
            name="campaign_id", kind=Kind.TEXT, description="Campaign, the same for its whole life."
        ),
        _optional("organization_id", Kind.TEXT, "Organisation that owns the campaign."),
        _optional(
            "status",
            Kind.TEXT,
            "State of the campaign now, in the provider's own and changing words. Not the `status` "
            "of engagement rows.",
        ),
        _optional("social_platform", Kind.TEXT, "Where the ads run: `meta`."),
        _optional("daily_budget", Kind.MONEY, "Budget of a day.", "USD"),
        _optional("total_budget", Kind.MONEY, "Budget of the whole campaign.", "USD"),
        _optional(
            "campaign_duration", Kind.COUNT, "Length of one cycle; renewals extend the run.", "days"
        ),
        _optional("created_at", Kind.TIMESTAMP, "When the campaign was created.", "UTC"),
        _optional("updated_at", Kind.TIMESTAMP, "When the campaign was last changed.", "UTC"),
        _optional("generation", Kind.COUNT, "Provider's product generation: 1, 2 or 3."),
        _optional("artist_id", Kind.TEXT, "Spotify artist credited with follows."),
        _optional("artist_name", Kind.TEXT, "Name of that artist."),
        _optional("track_id", Kind.TEXT, "Promoted Spotify track; null on playlist campaigns."),
        _optional("track_name", Kind.TEXT, "Title of the promoted track."),
        _optional("playlist_id", Kind.TEXT, "Promoted Spotify playlist; null on track campaigns."),
        _optional("campaign_url", Kind.TEXT, "The provider's insights page of the campaign."),
        Column(
            name="ingested_at",
            kind=Kind.TIMESTAMP,
            unit="UTC",
            description="When the list was fetched.",
        ),
        Column(name="run_id", kind=Kind.TEXT, description="Dagster run that fetched the list."),
    ),
)
