// room Shadow
