"""The background curve: sky masks, interval rates and errors, trails, geometry. Arrays in, arrays out."""
