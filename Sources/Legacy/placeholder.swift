// room Legacy
