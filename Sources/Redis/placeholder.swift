// room Redis
