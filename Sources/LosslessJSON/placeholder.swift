// room LosslessJSON
