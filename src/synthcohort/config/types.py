"""Types of values that several sections share."""

from typing import Annotated

from pydantic import Field

Positive = Annotated[int, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
