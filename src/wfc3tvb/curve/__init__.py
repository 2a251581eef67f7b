"""The background curve: sky masks, medians of every read, interval rates and errors. Arrays in, arrays out."""
