# Reads one training set written by glmnet_r.py, cross-validates glmnet on it, writes the coefficients back.
# Usage: Rscript glmnet_cv.R FOLDER FAMILY ALPHAS(comma separated) MEASURE pairs|main N_LAMBDA MIN_RATIO
suppressPackageStartupMessages(library(glmnet))
arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[1]
family <- arguments[2]
alphas <- as.numeric(strsplit(arguments[3], ",")[[1]])
measure <- arguments[4]
pairs <- arguments[5] == "pairs"
n_lambda <- as.integer(arguments[6])
min_ratio <- as.numeric(arguments[7])
read_doubles <- function(name, n) readBin(file.path(folder, name), "double", n)
shape <- read_doubles("shape.bin", 2)
x <- matrix(read_doubles("x.bin", prod(shape)), nrow = shape[1])
y <- read_doubles("y.bin", shape[1])
folds <- as.integer(read_doubles("folds.bin", shape[1])) + 1L
if (family == "cox") {
  y <- survival::Surv(y, read_doubles("event.bin", shape[1]))
}
clock <- system.time({
  if (pairs) {
    colnames(x) <- paste0("x", seq_len(ncol(x)))
    # What a user of R writes: every main effect and every product, one column each, no intercept column.
    x <- model.matrix(~ .^2 - 1, data = as.data.frame(x))
  }
  fits <- lapply(alphas, function(a) cv.glmnet(x, y, family = family, alpha = a, foldid = folds, type.measure = measure,
    nlambda = n_lambda, lambda.min.ratio = min_ratio))
  losses <- sapply(fits, function(f) f$cvm[f$index["min", ]])
  best <- if (measure == "auc") which.max(losses) else which.min(losses)
})
weights <- as.numeric(coef(fits[[best]], s = "lambda.min"))
if (family == "cox") weights <- c(0, weights)
writeBin(weights, file.path(folder, "coef.bin"))
peak <- tryCatch({
  line <- grep("VmHWM", readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) * 1024 / 1e6
}, error = function(e) 0)
writeBin(c(peak, clock[["elapsed"]], clock[["user.self"]] + clock[["sys.self"]], alphas[best], fits[[best]]$lambda.min), file.path(folder, "facts.bin"))
