// room Settings
