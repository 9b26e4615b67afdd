"""DVC: the stage graph, stage keys, versions of data sets, verification, and the meaning of its errors."""
