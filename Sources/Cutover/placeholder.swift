// room Cutover
