"""The countries of the world: what a listener costs there, and how people there listen.

Figures are invented but keep the proportions that such campaigns show: a listener in Norway or the
United States costs several times one in Brazil or the Philippines.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Country:
    """`listener_cost` in USD media spend per listener, `cpm` in USD per 1000 impressions.

    `plays` are streams per listener, `follow_rate` is followers per listener, `pull` is how much of
    a budget a campaign tends to spend there.
    """

    code: str
    listener_cost: float
    cpm: float
    plays: float
    follow_rate: float
    pull: float


COUNTRIES: dict[str, Country] = {
    country.code: country
    for country in (
        Country("AR", 0.088, 1.9, 1.74, 0.062, 0.7),
        Country("AU", 0.385, 9.6, 1.52, 0.047, 0.6),
        Country("BR", 0.058, 1.6, 1.83, 0.071, 2.4),
        Country("CA", 0.341, 8.4, 1.49, 0.045, 0.8),
        Country("CL", 0.094, 2.1, 1.71, 0.058, 0.5),
        Country("CO", 0.076, 1.7, 1.69, 0.064, 0.6),
        Country("DE", 0.302, 7.2, 1.44, 0.051, 1.6),
        Country("DK", 0.366, 8.8, 1.47, 0.042, 0.4),
        Country("ES", 0.176, 3.9, 1.55, 0.054, 0.9),
        Country("FI", 0.288, 6.1, 1.51, 0.044, 0.4),
        Country("FR", 0.243, 5.3, 1.46, 0.049, 1.0),
        Country("GB", 0.334, 8.1, 1.48, 0.046, 1.4),
        Country("ID", 0.054, 1.3, 1.91, 0.068, 1.1),
        Country("IE", 0.318, 7.4, 1.45, 0.045, 0.3),
        Country("IT", 0.189, 4.2, 1.50, 0.052, 0.9),
        Country("JP", 0.398, 9.1, 1.62, 0.039, 0.5),
        Country("MX", 0.062, 1.5, 1.79, 0.069, 1.9),
        Country("NA", 0.091, 1.4, 1.40, 0.050, 0.05),
        Country("NL", 0.311, 7.0, 1.46, 0.047, 0.7),
        Country("NO", 0.442, 10.3, 1.50, 0.041, 0.5),
        Country("PH", 0.055, 1.2, 1.94, 0.073, 0.9),
        Country("PL", 0.132, 2.8, 1.57, 0.056, 0.7),
        Country("PT", 0.158, 3.3, 1.53, 0.053, 0.4),
        Country("SE", 0.352, 8.6, 1.49, 0.043, 0.6),
        Country("TR", 0.083, 1.6, 1.66, 0.061, 0.7),
        Country("US", 0.417, 11.2, 1.47, 0.048, 2.8),
        Country("ZA", 0.098, 1.8, 1.52, 0.055, 0.4),
    )
}
