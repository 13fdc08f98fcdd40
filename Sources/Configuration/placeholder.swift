// room Configuration
