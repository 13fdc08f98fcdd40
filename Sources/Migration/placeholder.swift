// room Migration
