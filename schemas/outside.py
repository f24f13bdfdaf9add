"""The outside view in JSON: field names of Open311 GeoReport v2."""

from typing import Annotated

from pydantic import BaseModel, Field

from schemas.http import Asks, Text

ServiceCode = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9_]{1,23}\.[a-z][a-z0-9_]{1,23}$", examples=["zhujian.water"])
]


class ServiceOut(BaseModel):
    """A sort of matter: a category of the catalogue, or a kind of request."""

    service_code: str
    service_name: str
    description: str
    metadata: bool = False
    type: str = Field(default="realtime", description="The id is given at once")
    keywords: str = Field(description="Parted by commas")
    group: str


class DefinitionOut(BaseModel):
    """What a service asks beyond the usual: nothing."""

    service_code: str
    attributes: list[str] = []


class RequestOut(BaseModel):
    """A ticket as outsiders see it."""

    service_request_id: str
    status: str = Field(description="open or closed")
    status_notes: str
    service_name: str
    service_code: str
    description: str | None = Field(description="null: confidential, or a report (举报)")
    agency_responsible: str | None
    service_notice: str | None = None
    requested_datetime: str
    updated_datetime: str
    expected_datetime: str | None
    address: str | None
    address_id: str | None = None
    zipcode: str | None = None
    lat: float | None = None
    long: float | None = None
    media_url: str | None = None


_Ignored = Annotated[str, Field(max_length=500, description="Taken and not used")]
_Name = Annotated[Text, Field(max_length=39)]


class RequestIn(Asks):
    """A ticket from another system."""

    service_code: ServiceCode
    description: Annotated[Text, Field(min_length=1, max_length=4000)]
    address_string: Annotated[Text, Field(max_length=160)] = ""
    lat: float | None = Field(default=None, ge=-90, le=90)
    long: float | None = Field(default=None, ge=-180, le=180)
    first_name: _Name = ""
    last_name: _Name = ""
    phone: Annotated[str, Field(pattern=r"^\+?[0-9]{3,20}$")] | None = None
    jurisdiction_id: _Ignored | None = None
    address_id: _Ignored | None = None
    email: _Ignored | None = None
    device_id: _Ignored | None = None
    account_id: _Ignored | None = None
    media_url: _Ignored | None = None
    api_key: _Ignored | None = None


class CreatedOut(BaseModel):
    """What a new ticket is called."""

    service_request_id: str
    service_notice: str
    account_id: str | None = None
