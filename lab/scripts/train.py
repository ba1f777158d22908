# demine lab: an honest program: gradient descent in a data scientist's home, two processes.
import math, os, random

if os.fork() == 0:
    random.seed(2)
weights = [random.random() for _ in range(64)]
while True:
    x = [random.gauss(0, 1) for _ in weights]
    out = 1 / (1 + math.exp(-sum(w * v for w, v in zip(weights, x))))
    err = out - (1 if x[0] + x[1] > 0 else 0)
    weights = [w - 0.01 * err * v for w, v in zip(weights, x)]
