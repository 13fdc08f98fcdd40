// room Commands
