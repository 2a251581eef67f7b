"""calwf3's infrared arithmetic, arrays in and arrays out."""
