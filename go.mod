module demine

go 1.26.0
