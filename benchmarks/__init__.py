"""The measurements of the project: each prints what people read and yields one record a measure."""
